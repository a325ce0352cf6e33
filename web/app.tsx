import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useAddress } from './address.js'
import { useBadge } from './badge.js'
import { Pane } from './pane.js'
import { forget, onSignedOutElsewhere, remember, remembered, type SignedIn } from './people.js'
import { baseUrl, signInBy } from './service.js'
import { SignIn, signInWith } from './sign-in.js'
import { OverlayProvider } from './ui/dialog.js'
import { forgetDrafts } from './ui/drafts.js'
import { Mark } from './ui/icons.js'
import { onDemand } from './ui/on-demand.js'
import { usePageWords } from './words.js'

const InYourApp = onDemand(async () => (await import('./dialogs.js')).InYourApp)

/** The page: the sign-in, one user's chat, or the two chats of the trial. */
export function App (): JSX.Element {
  const [signedIn, setSignedIn] = useState(remembered)
  const [notice, setNotice] = useState<string | null>(null)
  const [asking, setAsking] = useState(signInBy === 'host')
  const { people, conversationId } = signedIn
  const [first, second] = people
  /** The user who was signed in before. */
  const left = useRef<string | undefined>(undefined)

  function enter (next: SignedIn): void {
    if (signInBy !== 'host') remember(next)
    setNotice(null)
    if (left.current !== undefined && left.current !== next.people[0]?.userId) clearAddress()
    setSignedIn(next)
  }

  /** Signs out. With a reason, it is not the user's choice: if they return, they find everything as it was. */
  function leave (why: string | null): void {
    forget(signedIn)
    left.current = first?.userId
    if (why === null) {
      clearAddress()
      // After the chat has closed, which stores unsent messages as drafts.
      setTimeout(() => { for (const { userId } of people) forgetDrafts(userId, baseUrl) })
    }
    setNotice(why)
    setSignedIn({ people: [] })
  }

  useEffect(() => {
    if (signInBy === 'host') signInWith('').then(enter, () => {}).finally(() => { setAsking(false) })
  }, [])
  useEffect(() => first && onSignedOutElsewhere(first.userId, () => { leave(null) }), [first?.userId])

  if (first === undefined) return asking ? <></> : <SignIn notice={notice} onSignedIn={enter} />
  if (second !== undefined) return <Trial signedIn={signedIn} onLeave={leave} />
  return <Alone key={first.userId} signedIn={{ people, conversationId }} onLeave={leave} />
}

const clearAddress = () => { history.replaceState(null, '', location.pathname + location.search) }

interface Props {
  signedIn: SignedIn
  onLeave: (why: string | null) => void
}

function Alone ({ signedIn: { people: [person] }, onLeave }: Props): JSX.Element {
  const words = usePageWords()
  const { selected, select, onOverlay } = useAddress()
  const [unread, setUnread] = useState(0)
  useBadge(unread)
  return (
    <main class='alone'>
      <h1 class='for-readers'>{words.appName}</h1>
      <OverlayProvider value={onOverlay}>
        <Pane person={person!} selected={selected} select={select} onUnread={setUnread} onLeave={onLeave} canSignOut={signInBy !== 'host'} keys />
      </OverlayProvider>
    </main>
  )
}

/** Two people side by side, or one at a time on a narrow screen. */
function Trial ({ signedIn, onLeave }: Props): JSX.Element {
  const words = usePageWords()
  const { people, conversationId = null } = signedIn
  const [shown, setShown] = useState(0)
  const [used, setUsed] = useState(0)
  const [codeShown, setCodeShown] = useState(false)
  const [selected, setSelected] = useState<readonly (string | null)[]>([conversationId, conversationId])
  const [unread, setUnread] = useState<readonly number[]>([0, 0])
  const put = <T,>(list: readonly T[], index: number, value: T) => list.map((other, at) => at === index ? value : other)
  useBadge(0)

  return (
    <main class='trial'>
      <header class='trial-bar'>
        <Mark />
        <h1>{words.twoPeople} <span>{words.twoPeopleHint}</span></h1>
        <div class='switch' role='group' aria-label={words.whoseChat}>
          {people.map(({ userId, displayName }, index) => (
            <button
              key={userId} type='button' aria-pressed={shown === index} onClick={() => {
                setShown(index)
                setUsed(index)
              }}
            >
              <bdi>{displayName}</bdi>
              {shown !== index && (unread[index] ?? 0) > 0 && (
                <span class='badge'>{unread[index]}<span class='for-readers'> {words.unread}</span></span>
              )}
            </button>
          ))}
        </div>
        <button type='button' class='button is-quiet code-button' onClick={() => { setCodeShown(true) }}>{words.inYourApp}</button>
        <button type='button' class='button is-quiet' onClick={() => { onLeave(null) }}>{words.leave}</button>
      </header>
      {codeShown && <InYourApp userId={people[shown]!.userId} onClose={() => { setCodeShown(false) }} />}
      <div class='trial-panes'>
        {people.map((person, index) => (
          <div
            key={person.userId} class={`trial-pane${shown === index ? ' is-shown' : ''}`}
            onPointerDown={() => { setUsed(index) }} onFocusIn={() => { setUsed(index) }}
          >
            <Pane
              person={person} selected={selected[index] ?? null} select={(id) => { setSelected((now) => put(now, index, id)) }}
              onUnread={(count) => { setUnread((now) => put(now, index, count)) }} onLeave={onLeave} canSignOut={false} tries={used === index}
            />
          </div>
        ))}
      </div>
    </main>
  )
}
