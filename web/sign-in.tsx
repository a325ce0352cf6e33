import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { createChatClient, type LoginAnswer } from '../client/index.js'
import type { Person, SignedIn } from './people.js'
import { accounts, baseUrl, hasDocs, isEmpty, signInBy } from './service.js'
import { startTrial } from './trial.js'
import { Mark } from './ui/icons.js'
import { usePageWords } from './words.js'

interface Props {
  /** Why the user was signed out, or null. */
  notice: string | null
  onSignedIn: (signedIn: SignedIn) => void
}

export function SignIn ({ notice, onSignedIn }: Props): JSX.Element {
  const words = usePageWords()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(notice)

  /** Runs one sign-in at a time, and shows its error. */
  async function attempt (signIn: () => Promise<SignedIn>): Promise<void> {
    if (busy) return
    setBusy(true)
    setProblem(null)
    try {
      onSignedIn(await signIn())
    } catch (error) {
      setProblem(words.sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <main class='sign-in'>
      <div class='sign-in-card'>
        <header class='brand'>
          <Mark />
          <div>
            <h1>fastify-sse-chat</h1>
            <p>{words.tagline}</p>
          </div>
        </header>

        {signInBy === 'accounts' && (
          <>
            <button type='button' class='button is-primary is-wide' disabled={busy} onClick={() => { void attempt(startTrial) }}>
              {words.tryIt}
            </button>
            <p class='hint is-centred'>{words.tryItHint}</p>
            <p class='or'><span>{words.orAsYourself}</span></p>
            <AccountForm busy={busy} problem={problem} attempt={attempt} />
          </>
        )}
        {signInBy === 'token' && <TokenForm busy={busy} problem={problem} attempt={attempt} />}
        {signInBy === 'host' && <HostForm busy={busy} problem={problem} attempt={attempt} />}
      </div>
      {hasDocs && <p class='sign-in-foot'><a href='api/openapi.json'>{words.allCalls}</a></p>}
    </main>
  )
}

interface FormProps {
  busy: boolean
  problem: string | null
  attempt: (signIn: () => Promise<SignedIn>) => Promise<void>
}

const personOf = ({ token, user }: LoginAnswer): Person => ({ userId: user.userId, displayName: user.displayName, token })

function AccountForm ({ busy, problem, attempt }: FormProps): JSX.Element {
  const words = usePageWords()
  const id = useId()
  const [isNew, setIsNew] = useState(isEmpty)
  const [userId, setUserId] = useState('')
  const [password, setPassword] = useState('')
  const [displayName, setDisplayName] = useState('')

  const signIn = async (): Promise<SignedIn> => {
    const name = displayName.trim()
    const session = isNew
      ? await accounts.register({ userId, password, ...(name === '' ? {} : { displayName: name }) })
      : await accounts.login({ userId, password })
    return { people: [personOf(session)] }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void attempt(signIn)
      }}
    >
      <fieldset class='segments'>
        <legend class='for-readers'>{words.account}</legend>
        {([[false, words.signIn], [true, words.createAccount]] as const).map(([value, label]) => (
          <label key={label}>
            <input type='radio' name={id} checked={isNew === value} onChange={() => { setIsNew(value) }} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <div class='field'>
        <label for={`${id}-user`}>{words.userId}</label>
        <input
          id={`${id}-user`} name='username' value={userId} required maxLength={128} aria-describedby={isNew ? `${id}-user-hint` : undefined}
          autocomplete='username' autocapitalize='none' spellcheck={false}
          onInput={({ currentTarget }) => { setUserId(currentTarget.value) }}
        />
        {isNew && <p class='hint' id={`${id}-user-hint`}>{words.userIdHint}</p>}
      </div>
      {isNew && (
        <div class='field'>
          <label for={`${id}-name`}>{words.yourName} <span class='optional'>{words.optional}</span></label>
          <input
            id={`${id}-name`} name='name' value={displayName} maxLength={200} autocomplete='name'
            onInput={({ currentTarget }) => { setDisplayName(currentTarget.value) }}
          />
        </div>
      )}
      <div class='field'>
        <label for={`${id}-password`}>{words.password}</label>
        <input
          id={`${id}-password`} name='password' type='password' value={password} required minLength={8} maxLength={128}
          autocomplete={isNew ? 'new-password' : 'current-password'} aria-describedby={isNew ? `${id}-hint` : undefined}
          onInput={({ currentTarget }) => { setPassword(currentTarget.value) }}
        />
        {isNew && <p class='hint' id={`${id}-hint`}>{words.passwordHint}</p>}
      </div>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <button type='submit' class='button is-wide' disabled={busy}>{isNew ? words.createAccount : words.signIn}</button>
    </form>
  )
}

function TokenForm ({ busy, problem, attempt }: FormProps): JSX.Element {
  const words = usePageWords()
  const id = useId()
  const [token, setToken] = useState('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void attempt(() => signInWith(token.trim()))
      }}
    >
      <div class='field'>
        <label for={id}>{words.token}</label>
        <textarea
          id={id} class='token' value={token} required rows={5} autocomplete='off' autocapitalize='none' spellcheck={false} aria-describedby={`${id}-hint`}
          onInput={({ currentTarget }) => { setToken(currentTarget.value) }}
        />
        <p class='hint' id={`${id}-hint`}>{words.tokenHint}</p>
      </div>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <button type='submit' class='button is-primary is-wide' disabled={busy || token.trim() === ''}>{words.enter}</button>
    </form>
  )
}

function HostForm ({ busy, problem, attempt }: FormProps): JSX.Element {
  const words = usePageWords()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void attempt(() => signInWith(''))
      }}
    >
      <p class='hint'>{words.signInAtHost}</p>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <button type='submit' class='button is-primary is-wide' disabled={busy}>{words.tryAgain}</button>
    </form>
  )
}

/** Signs in with a token. @throws ChatError if the service does not accept it */
export async function signInWith (token: string): Promise<SignedIn> {
  const { userId, displayName } = await createChatClient({ baseUrl, token, maxRetries: 1 }).me()
  return { people: [{ userId, displayName, token }] }
}
