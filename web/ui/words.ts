import { ChatError, type Conversation, type Participant } from '../../client/index.js'
import { isolate } from './isolate.js'
import { en, type Strings } from './strings/en.js'
import { createClock, type Clock } from './time.js'

/** All texts in one language, and what is made of them. */
export interface Words extends Strings, Clock {
  /** The language of the texts, as a BCP 47 tag. */
  language: string
  /** "Bob", "Bob and Carol" or "Bob, Carol and 2 others". */
  listNames (names: readonly string[]): string
  /** Whether a participant is online, or when they were last seen. */
  presenceOf (participant: Pick<Participant, 'isOnline' | 'lastSeen'>, connected: boolean, now: Date): string
  /** The line below a conversation's title: who takes part, and who is online. */
  whoIsThere (conversation: Conversation, userId: string | null, connected: boolean, now: Date): string
  /** An error as a sentence for users. */
  sentenceOf (error: unknown): string
}

/** Loads the table of a language. */
type Tables<T> = Readonly<Record<string, () => Promise<T>>>
/** The tables that are loaded when a user has their language. English is always there. */
const tables: Tables<Strings> = {
  de: async () => (await import('./strings/de.js')).de
}

/** The other participant of a direct conversation. */
export const otherOf = ({ type, participants }: Conversation, userId: string | null): Participant | undefined =>
  type === 'direct' ? participants.find((participant) => participant.userId !== userId) : undefined

/** A table whose functions isolate the names that they are given: a name in another direction does not turn the words around it. */
function isolating<T extends object> (table: T): T {
  const safe = (text: unknown) => typeof text === 'string' ? isolate(text) : text
  const entries = Object.entries(table).map(([key, text]) => [key, typeof text === 'string'
    ? text
    : (...args: unknown[]) => (text as (...args: unknown[]) => string)(...args.map(safe))])
  return Object.fromEntries(entries) as T
}

/** English texts that are loaded later. A table that has all texts shows its own. */
const later = {}
const english = en as typeof en & Strings // With those of `later`

/** Loads the texts of dialogs and menus, which those that are on demand ask for first. */
export async function loadDialogTexts (): Promise<void> {
  Object.assign(later, isolating((await import('./strings/en-dialogs.js')).enDialogs))
}

/**
 * Loads the texts in a language, English if there is no table for it. Times are written as the tag says, region included.
 *
 * @param tag a BCP 47 tag. Systems also start browsers with others, such as `C`: the default is used then
 * @param more further texts of the caller's own, in English
 * @param moreTables and in the other languages
 */
export async function loadWords<T extends object> (tag: string, more: T = {} as T, moreTables: Tables<T> = {}): Promise<Words & T> {
  const locale = localeOf(tag)
  const language = locale.split('-')[0]!
  const load = async () => await Promise.all([tables[language]!(), moreTables[language]?.() ?? more])
  const loaded = language in tables ? await load().catch(() => null) : null // Without them, English is better than nothing
  return loaded === null ? createWords(locale, 'en', { ...english, ...more }) : createWords(locale, language, { ...loaded[0], ...loaded[1] })
}

function localeOf (tag: string): string {
  try {
    const [locale = 'en'] = Intl.getCanonicalLocales(tag)
    void new Intl.DateTimeFormat(locale)
    return locale
  } catch {
    return 'en'
  }
}

/** The texts of a table. */
export function createWords<T extends Strings> (locale: string, language = 'en', table: T = english as T): Words & T {
  const strings = isolating(table)
  const list = new Intl.ListFormat(language === 'en' ? 'en-GB' : language, { type: 'conjunction' }) // Without a comma before "and"
  const clock = createClock(locale, language, strings)

  const own: Omit<Words, keyof Strings> = {
    ...clock,
    language,
    listNames (names) {
      const shown = names.length > 3 ? names.slice(0, 2) : names
      const rest = names.length > shown.length ? [strings.others(names.length - 2)] : []
      return list.format([...shown.map(isolate), ...rest])
    },
    presenceOf ({ isOnline, lastSeen }, connected, now) {
      if (!connected) return strings.presenceUnknown
      return isOnline ? strings.online : clock.lastSeen(lastSeen, now)
    },
    whoIsThere (conversation, userId, connected, now) {
      const other = otherOf(conversation, userId)
      if (other !== undefined) return words.presenceOf(other, connected, now)
      const { participants, participantCount } = conversation
      const online = participants.filter((participant) => connected && participant.isOnline && participant.userId !== userId).length
      return online > 0 ? strings.peopleOnline(participantCount, online) : strings.people(participantCount)
    },
    sentenceOf (error) {
      if (!(error instanceof ChatError)) return strings.somethingWrong
      const known = (words as unknown as Record<string, unknown>)[error.code]
      if (typeof known === 'function') return (known as (reason: string) => string)(error.message)
      return typeof known === 'string' ? known : `${error.message.replace(/^body\//, '')}.`
    }
  }
  const words: Words & T = Object.assign(Object.create(later) as object, strings, own)
  return words
}
