import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { FREE_FILES_MAX, FILE_BYTES_MAX } from '../chat/files.js'
import { SUSPECTS_MAX } from '../chat/file-keeper.js'
import { SEARCHES_PER_MINUTE, TERMS_MAX } from '../chat/directory.js'
import { FEED_PAGES } from '../chat/followers/feed.js'
import { LOGINS_MAX } from '../chat/accounts.js'
import { LOCKS_MAX } from '../chat/guesses.js'
import { COMPARED_MAX, TRANSACTIONS_MAX } from '../hub/known-log.js'
import { UNKNOWN_KEYS_MAX } from '../plugins/key-provider.js'
import { BODY_LIMIT } from '../app.js'
import { ALARMS_MAX } from '../chat/alarms.js'
import { BLOCKS_MAX } from '../chat/blocks.js'
import { CHANGES_AT_ONCE, CHANGING_MAX } from '../chat/online-news.js'
import { ENQUEUED_MAX } from '../chat/pending.js'
import { DEFAULT_QUOTAS } from '../chat/quotas.js'
import { REACTIONS_MAX } from '../chat/reactions.js'
import { RECEIPT_DAYS } from '../chat/retention.js'
import { TICKETS_MAX } from '../chat/tickets.js'
import { KNOWN_MAX } from '../chat/users.js'
import { OUTBOX_BYTES } from '../hub/buses/outbox.js'
import { PIXELS_MAX } from '../files/decoder.js'
import { Hub, TOLD_MAX } from '../hub/hub.js'
import { KEPT_BYTES, READERS } from '../hub/log.js'
import { REMEMBERED } from '../hub/relay.js'
import { LEFT_MAX } from '../hub/stream.js'
import { EARLY_MAX } from '../hub/topic.js'
import { BROADCASTS_MAX } from '../hub/turn.js'
import { VERIFIED_MAX } from '../plugins/auth.js'
import { CALLERS_MAX } from '../plugins/counting.js'
import { WRONG_KEYS_MAX } from '../plugins/service-keys.js'
import { UPLOAD_BYTES_PER_S, UPLOAD_PAUSE_MS } from '../plugins/upload-time.js'
import { MAX_PARTICIPANTS } from '../schemas/conversations.js'
import { ATTACHMENTS_MAX } from '../schemas/files.js'
import { APPENDS_PER_SECOND, GROWING_SILENCE_MS } from '../schemas/growing.js'
import { MENTIONS_MAX, TEXT_LENGTH } from '../schemas/messages.js'
import { METADATA_MAX_BYTES, METADATA_MAX_LEVELS } from '../schemas/metadata.js'
import { COUNTS_MAX } from '../store/counters.js'
import { FOLLOWABLES_PAGE } from '../store/followable.js'
import { MENTIONS_COUNTED_MAX } from '../store/reads/mentions.js'
import { MARK_SLOT_MS } from '../store/moves.js'
import { BATCH_MAX, WAITING_MAX } from '../store/writer.js'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

/** The rows of a table in docs/security.md, without its head. */
function tableOf (heading: string): string[][] {
  const section = read('docs/security.md').split(/^## /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  return section.split('\n').filter(line => line.startsWith('|')).slice(2).map(line => line.split('|').slice(1, -1).map(cell => cell.trim()))
}

const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

const constants: Record<string, number> = {
  ALARMS_MAX,
  ATTACHMENTS_MAX,
  BATCH_MAX,
  BLOCKS_MAX,
  BODY_LIMIT,
  BROADCASTS_MAX,
  CALLERS_MAX,
  CHANGES_AT_ONCE,
  CHANGING_MAX,
  COMPARED_MAX,
  COUNTS_MAX,
  EARLY_MAX,
  ENQUEUED_MAX,
  FEED_PAGES,
  FOLLOWABLES_PAGE,
  FREE_FILES_MAX,
  KEPT_BYTES,
  KNOWN_MAX,
  LEFT_MAX,
  LOCKS_MAX,
  LOGINS_MAX,
  MARK_SLOT_MS,
  MAX_PARTICIPANTS,
  MENTIONS_COUNTED_MAX,
  MENTIONS_MAX,
  METADATA_MAX_BYTES,
  METADATA_MAX_LEVELS,
  OUTBOX_BYTES,
  PIXELS_MAX,
  REACTIONS_MAX,
  READERS,
  REMEMBERED,
  APPENDS_PER_SECOND,
  GROWING_SILENCE_MS,
  SEARCHES_PER_MINUTE,
  SUSPECTS_MAX,
  TERMS_MAX,
  TICKETS_MAX,
  TOLD_MAX,
  TRANSACTIONS_MAX,
  UNKNOWN_KEYS_MAX,
  UPLOAD_BYTES_PER_S,
  UPLOAD_PAUSE_MS,
  VERIFIED_MAX,
  WAITING_MAX,
  WRONG_KEYS_MAX
}

t.test('each bound in docs/security.md is the code\'s', async t => {
  const settings = Object.fromEntries([...read('.env.example').matchAll(/^([A-Z_]+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]))
  const bounds = Object.fromEntries(tableOf('Bounds').map(([, name, bound]) => [namesIn(name!)[0], Number(bound!.replaceAll(',', ''))]))
  for (const [name, bound] of Object.entries(bounds)) t.equal(bound, constants[name] ?? settings[name], name)
  for (const name of Object.keys(constants)) t.ok(name in bounds, `${name} has a row`)

  t.match(settings, {
    MAX_CONVERSATIONS_PER_USER: DEFAULT_QUOTAS.conversations,
    MAX_GROUPS_PER_DAY: DEFAULT_QUOTAS.groupsPerDay,
    RECEIPT_DAYS,
    MAX_TEXT_LENGTH: TEXT_LENGTH.standard,
    MAX_FILE_BYTES: FILE_BYTES_MAX,
    STREAM_BUFFER_BYTES: new Hub().limits.bufferBytes
  }, '.env.example names the defaults')
})

/** Collections: fields of a class, constants of a module, and all constants of a plugin, which live as long as the app. */
function heldIn (file: string): string[] {
  const any = file.startsWith('plugins/') || file.startsWith('routes/')
  const indent = any ? ' *' : ''
  const making = 'new (?:Map|Set|WeakMap|LRUCache|BoundedCache)\\b'
  const patterns = [
    new RegExp(`^${indent}(?:export )?(?:const|let) (\\w+)(?:: .*)? = (?:${making}|\\[\\]$)`, 'gm'),
    new RegExp(`^ {2}(?:readonly |static )*(#?\\w+)(?:: .*)? = (?:${making}|\\[\\]$)`, 'gm'),
    /^ {2}(?:readonly )?(#?\w+): (?:Map|Set|Array|ReadonlyMap)<.*(?: \| undefined$| = [A-Z]+$)/gm,
    /^ {2}(?:readonly )?(#\w+): Array<Set<.*>>$/gm
  ]
  return [...new Set(patterns.flatMap(pattern => [...read(file).matchAll(pattern)].map(([, name]) => name!)))]
}

t.test('whatever holds several things in memory is listed in docs/security.md, with what bounds it', async t => {
  const ofOneTransaction = ['store/unit.ts', 'store/unit-view.ts', 'store/identity-map.ts', 'store/changes.ts', 'store/keys.ts', 'store/named.ts', 'store/unit-load.ts', 'store/row-sets.ts']
  const files = ['chat', 'files', 'hub', 'plugins', 'routes', 'store'].flatMap(folder =>
    readdirSync(new URL(folder, root), { recursive: true }).map(name => `${folder}/${String(name)}`))
  const held = files.filter(file => file.endsWith('.ts') && !ofOneTransaction.includes(file)).flatMap(file => heldIn(file).map(name => `${file} ${name}`))
  const listed = tableOf('What is held in memory').flatMap(([where, names]) => namesIn(names!).map(name => `${namesIn(where!)[0]!} ${name}`))
  for (const one of held) t.ok(listed.includes(one), `${one} is listed`)
  for (const one of listed) t.ok(held.includes(one), `${one} is still there`)
  for (const [, , bound] of tableOf('What is held in memory')) {
    for (const name of namesIn(bound!)) t.ok(name in constants || /^MAX_/.test(name), `${name} is a bound`)
  }
})
