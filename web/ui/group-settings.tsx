import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import type { Conversation, ConversationSettings } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { Confirm } from './confirm.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'

/** Times between two messages of a member that are offered, in seconds. */
const pauses = [0, 10, 30, 60, 300, 900, 3600]

/** How a group is shown and who may do what, for its owner and admins. */
export function GroupSettings ({ conversation, onClose }: { conversation: Conversation, onClose: () => void }): JSX.Element {
  const { client, userId } = useChat()
  const words = useWords()
  const form = useId()
  const { id, participants } = conversation
  const [title, setTitle] = useState(conversation.title ?? '')
  const [avatar, setAvatar] = useState(conversation.avatar ?? '')
  const [description, setDescription] = useState(conversation.description ?? '')
  const [posting, setPosting] = useState(conversation.settings.posting)
  const [mentionAll, setMentionAll] = useState(conversation.settings.mentionAll)
  const [slowModeSeconds, setSlow] = useState(conversation.settings.slowModeSeconds)
  const [problem, setProblem] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const isOwner = participants.some((one) => one.userId === userId && one.role === 'owner')

  async function save (): Promise<void> {
    setBusy(true)
    setProblem(null)
    try {
      await client.updateConversation(id, {
        title: title.trim() === '' ? null : title.trim(),
        avatar: avatar.trim() === '' ? null : avatar.trim(),
        description: description.trim() === '' ? null : description.trim(),
        settings: { posting, mentionAll, slowModeSeconds }
      })
      onClose()
    } catch (error) {
      setProblem(words.sentenceOf(error))
      setBusy(false)
    }
  }

  function choice<K extends 'posting' | 'mentionAll'> (
    name: K, legend: string, value: ConversationSettings[K], set: (value: ConversationSettings[K]) => void,
    options: [ConversationSettings[K], string][]
  ): JSX.Element {
    return (
      <fieldset class='choice'>
        <legend>{legend}</legend>
        {options.map(([option, label]) => (
          <label key={option}>
            <input type='radio' name={`${form}-${name}`} checked={value === option} onChange={() => { set(option) }} /> {label}
          </label>
        ))}
      </fieldset>
    )
  }

  if (deleting) {
    return (
      <Confirm
        title={words.deleteGroupTitle} text={words.deleteGroupText} action={words.deleteGroup}
        onConfirm={() => client.deleteConversation(id)} onClose={onClose}
      />
    )
  }
  return (
    <Dialog title={words.groupSettings} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <div class='field'>
          <label for={`${form}-title`}>{words.nameOfGroup}</label>
          <input
            id={`${form}-title`} value={title} maxLength={200} dir='auto' autocomplete='off'
            onInput={({ currentTarget }) => { setTitle(currentTarget.value) }}
          />
        </div>
        <div class='field'>
          <label for={`${form}-description`}>{words.description} <span class='optional'>{words.optional}</span></label>
          <textarea
            id={`${form}-description`} value={description} maxLength={2000} rows={2} dir='auto'
            onInput={({ currentTarget }) => { setDescription(currentTarget.value) }}
          />
        </div>
        <div class='field'>
          <label for={`${form}-avatar`}>{words.picture} <span class='optional'>{words.optional}</span></label>
          <span class='picture-field'>
            <Avatar id={id} name={title} picture={avatar.trim()} group />
            <input
              id={`${form}-avatar`} type='url' value={avatar} maxLength={2048} placeholder='https://' aria-describedby={`${form}-hint`}
              onInput={({ currentTarget }) => { setAvatar(currentTarget.value) }}
            />
          </span>
          <p class='hint' id={`${form}-hint`}>{words.pictureHint}</p>
        </div>
        {choice('posting', words.whoWrites, posting, setPosting, [
          ['everyone', words.everyoneMay], ['admins', words.adminsMay], ['nobody', words.nobodyMay]
        ])}
        {choice('mentionAll', words.whoMentionsAll, mentionAll, setMentionAll, [['everyone', words.everyoneMay], ['admins', words.adminsMay]])}
        <div class='field'>
          <label for={`${form}-slow`}>{words.slowMode}</label>
          <select id={`${form}-slow`} value={slowModeSeconds} onChange={({ currentTarget }) => { setSlow(Number(currentTarget.value)) }}>
            {[...new Set([...pauses, slowModeSeconds])].sort((a, b) => a - b).map((seconds) => (
              <option key={seconds} value={seconds}>{seconds === 0 ? words.slowModeOff : words.slowModeOf(seconds)}</option>
            ))}
          </select>
        </div>
        {problem !== null && <p class='problem' role='alert'>{problem}</p>}
        <footer class='dialog-foot is-split'>
          {isOwner
            ? <button type='button' class='button is-quiet is-danger' onClick={() => { setDeleting(true) }}>{words.deleteGroup}</button>
            : <span />}
          <span class='buttons'>
            <button type='button' class='button' onClick={onClose}>{words.cancel}</button>
            <button type='submit' class='button is-primary' disabled={busy}>{words.save}</button>
          </span>
        </footer>
      </form>
    </Dialog>
  )
}
