import Fastify from 'fastify'
import chat from '../../app.js'

export interface ModelOptions {
  /** With all migrations, and nothing else. */
  databaseUrl: string
  databaseSchema: string
  messages: number
  queries: number
  seed: string
  onProgress?: (text: string) => void
}

export interface ModelReport { hits: number, microseconds: number, problems: string[] }

/** Words in ten scripts, with accents, compatibility forms and marks, short enough that they meet. */
const WORDS = [
  'Café', 'cafe\u0301', 'CAFE', 'naïve', 'ﬁle', 'WiFi', '6E', 'x_1', 'Straße', 'мой', 'мои', 'Ёлка', 'елка', 'Ελλάδα', 'ελλαδα', '東京', '京都', '東', 'カフェ', 'ｶﾌｪ', 'ガラス',
  'ひらがな', 'がな', '한국어', '한국', '국', 'สวัสดี', 'ครับ', 'ດີ', 'ស្រី', 'မြန်မာ', 'שלום', 'سلام', 'हिन्दी', 'हि', '2020', '年', '１２'
]
const GAPS = [' ', ' ', ' ', '-', '', '. ', ' 🙂 ', '/', '\n']

function randomOf (seed: string): (below: number) => number {
  let state = 0x811c9dc5
  for (const character of seed) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193)
  return below => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0
    const mixed = Math.imul(state ^ (state >>> 13), 0x297a2d39)
    return ((mixed ^ (mixed >>> 16)) >>> 0) % below
  }
}

// ---- The rules of docs/search.md, written down without regard to speed, and without the code under test

const folded = (text: string): string => Array.from(text.normalize('NFKD').toLowerCase()).filter(one => !/[\u0300-\u036f]/.test(one)).join('').normalize('NFC')
const isWord = (one: string): boolean => /[\p{L}\p{M}\p{N}_]/u.test(one)
const isSpaceless = (one: string): boolean => !/[\p{N}_]/u.test(one) &&
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u.test(one)

type Part = [text: string, isSpaceless: boolean]

function partsOf (text: string): Part[] {
  const parts: Part[] = []
  let goesOn = false
  for (const one of folded(text)) {
    const last = parts.at(-1)
    if (!isWord(one)) {
      goesOn = false
      continue
    }
    const kind: boolean = goesOn && last !== undefined && /\p{M}/u.test(one) ? last[1] : isSpaceless(one)
    if (goesOn && last !== undefined && last[1] === kind) last[0] += one
    else parts.push([one, kind])
    goesOn = true
  }
  return parts
}

const cut = new Map<string, Part[]>()

function matches (text: string, q: string): boolean {
  const terms: Array<[parts: Part[], quoted: boolean]> = []
  q.split('"').forEach((piece, index) => {
    for (const term of index % 2 === 1 ? [piece] : piece.split(/\s+/)) terms.push([partsOf(term), index % 2 === 1])
  })
  const words = cut.get(text) ?? partsOf(text)
  cut.set(text, words)
  return terms.filter(([parts]) => parts.length > 0).every(([parts, quoted]) => words.some((_, at) => parts.every(([wanted, kind], index) => {
    const word = words[at + index]
    if (word?.[1] !== kind) return false
    const mustBegin = !kind || index > 0
    const mustEnd = index < parts.length - 1 || (quoted && !kind)
    return Array.from({ length: word[0].length - wanted.length + 1 }, (_, from) => from).some(from =>
      word[0].slice(from, from + wanted.length) === wanted && (!mustBegin || from === 0) && (!mustEnd || from + wanted.length === word[0].length))
  })))
}

/** Sends random texts, and compares what random queries find with a scan of all texts: the messages, and their order. */
export async function runModel (options: ModelOptions): Promise<ModelReport> {
  const { databaseUrl, databaseSchema, messages: count, queries, seed, onProgress = () => {} } = options
  const app = Fastify()
  await app.register(chat, { databaseUrl, databaseSchema, authenticate: () => undefined })
  const problems: string[] = []
  let hits = 0
  let micros = 0
  try {
    const random = randomOf(seed)
    const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
    const phrase = (most: number): string => Array.from({ length: 1 + random(most) }, () => pick(WORDS) + pick(GAPS)).join('').trimEnd()
    for (const userId of ['ann', 'ben', 'eve']) await app.chat.ensureUser({ userId, displayName: userId, avatar: null, issuedAt: null, expiresAt: null })
    const conversations: string[] = []
    for (let n = 0; n < 6; n++) conversations.push((await app.chat.createConversation('ben', { type: 'group', participantIds: n < 5 ? ['ann'] : ['eve'] })).conversation.id)
    const sent: Array<{ id: string, conversationId: string, text: string, createdAt: string, seq: number }> = []
    for (let from = 0; from < count; from += 50) {
      const step = Array.from({ length: Math.min(50, count - from) }, () => ({ conversationId: pick(conversations), text: phrase(6) }))
      for (const { message } of await Promise.all(step.map(async body => await app.chat.sendMessage('ben', body)))) sent.push(message)
    }
    for (let n = 0; n < count / 20; n++) {
      const one = pick(sent)
      if (one.text === '') continue
      if (random(2) === 0) one.text = (await app.chat.editMessage('ben', one.id, { text: `${phrase(4)}!` })).text
      else one.text = (await app.chat.deleteMessage('ben', one.id)).text
    }
    const { text: last } = (await app.chat.sendMessage('ben', { conversationId: conversations[0]!, text: 'zzlast' })).message
    // The follower has come to the end, and what was sent before it began is in the index, too.
    const isBuilt = async (): Promise<boolean> =>
      Boolean((await app.chatDatabase.read.query<{ is_done: unknown }>('SELECT is_done FROM chat_search_state'))[0]?.is_done)
    while ((await app.chat.search('ann', { q: last })).results.length === 0 || !await isBuilt()) await new Promise(resolve => setTimeout(resolve, 20))
    const order = sent.filter(({ conversationId }) => conversationId !== conversations[5])
      .sort((a, b) => a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : b.seq - a.seq)
    for (let n = 0; n < queries && problems.length < 5; n++) {
      const text = phrase(2)
      const q = Array.from(random(4) === 0 ? `"${text}"` : random(3) === 0 ? Array.from(text).slice(0, -1).join('') : text).slice(0, 60).join('')
      const limit = 1 + random(50)
      if (!Array.from(q).some(isWord)) continue
      const expected = order.filter(message => message.text !== '' && matches(message.text, q))
      const found: typeof expected = []
      let cursor: string | null = null
      const before = process.cpuUsage()
      do {
        const page: Awaited<ReturnType<typeof app.chat.search>> = await app.chat.search('ann', { q, limit, ...(cursor === null ? {} : { cursor }) })
        found.push(...page.results.map(({ message }) => message))
        cursor = page.nextCursor
      } while (cursor !== null && found.length <= 60)
      const { user } = process.cpuUsage(before)
      micros += user
      hits += found.length
      const wanted = cursor === null ? expected : expected.slice(0, found.length)
      if (JSON.stringify(found.map(placeOf)) !== JSON.stringify(wanted.map(placeOf))) {
        problems.push(`${JSON.stringify(q)} finds ${JSON.stringify(found.map(({ text }) => text).slice(0, 5))} instead of ${JSON.stringify(wanted.map(({ text }) => text).slice(0, 5))}`)
      }
      if (n > 0 && n % 1000 === 0) onProgress(`${n} queries`)
    }
  } finally {
    await app.close()
  }
  return { hits, microseconds: Math.round(micros / queries), problems }
}

/** Messages of one instant and `seq` may come in any order. */
const placeOf = ({ createdAt, seq }: { createdAt: string, seq: number }): string => `${createdAt} ${seq}`
