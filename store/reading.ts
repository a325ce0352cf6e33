/*
 * What an error of the database means: how each code is read, and what follows from that.
 *
 * The rule: a state that somebody other than this program can repair (an administrator, the operating system, another
 * transaction) is unavailability, so that callers retry. Everything else is a mistake of this program.
 */

interface Consequences {
  /** Callers are told to retry (503), and not that the server has failed (500). */
  unavailable: boolean
  /** The connection returns to the pool after a ROLLBACK. Otherwise it is closed. */
  keep?: true
  /** The same work can succeed now, on any other connection or only on a new one. */
  retry?: 'any' | 'fresh'
  /** The error concerns some rows only. The commands of the batch are repeated one by one. */
  single?: true
}

const readings = {
  /** Nothing answers, or the server is starting or stopping. */
  away: { unavailable: true },
  /** The connection broke, which ended its transaction. */
  dropped: { unavailable: true, retry: 'any' },
  /** A connection that seems intact did not answer in time. */
  silent: { unavailable: true },
  /** The connection broke during the commit. It is unknown whether the commit took place. */
  unknown: { unavailable: true },
  /** Another transaction or process held a lock for too long. */
  locked: { unavailable: true, keep: true },
  /** The transaction was rolled back because of another one, and can be repeated. */
  conflict: { unavailable: true, keep: true },
  /** Out of connections, memory, disk or time. */
  exhausted: { unavailable: true },
  /** The login, the privileges or an object (database, schema, table, column) were changed or removed. */
  refused: { unavailable: true },
  /** This session is read-only. A new one may be able to write, as after a failover. */
  readOnly: { unavailable: true, retry: 'fresh' },
  /** The prepared statements of this session no longer fit the database. */
  stale: { unavailable: true, retry: 'fresh' },
  /** Data is damaged, or the storage failed. */
  damaged: { unavailable: true },
  /** A trigger or a view that somebody else created refuses some rows. */
  ruled: { unavailable: true, single: true },
  /** A row refers to one that does not exist any more. */
  orphan: { unavailable: false, keep: true, single: true },
  /** Everything else. */
  mistake: { unavailable: false, keep: true, single: true }
} satisfies Record<string, Consequences>

export type Reading = keyof typeof readings

/** By PostgreSQL's SQLSTATE (appendix A of its manual): the code of five characters, else its class of two. */
export const sqlStates: Readonly<Record<string, Reading>> = {
  '08': 'away',
  '08003': 'dropped',
  '08006': 'dropped',
  '09': 'ruled',
  // "cached plan must not change result type", and features that a proxy or a fork of PostgreSQL lacks.
  '0A': 'stale',
  '0L': 'refused',
  '0P': 'refused',
  23503: 'orphan',
  25006: 'readOnly',
  '25P02': 'stale',
  '25P03': 'dropped',
  '25P04': 'exhausted',
  // A prepared statement is gone (DISCARD ALL, a pooler), or exists already.
  26: 'stale',
  '42P05': 'stale',
  27: 'ruled',
  28: 'refused',
  '2B': 'refused',
  38: 'ruled',
  39: 'ruled',
  '3D': 'refused',
  '3F': 'refused',
  40: 'conflict',
  42501: 'refused',
  // A column's type was changed.
  42804: 'refused',
  42883: 'refused',
  // A table became a view; an index that ON CONFLICT needs is gone.
  42809: 'refused',
  '42P10': 'refused',
  42703: 'refused',
  42704: 'refused',
  '42P01': 'refused',
  '428C9': 'refused',
  44: 'ruled',
  53: 'exhausted',
  55: 'refused',
  '55P03': 'locked',
  57: 'away',
  57014: 'exhausted',
  '57P01': 'dropped',
  '57P02': 'dropped',
  58: 'damaged',
  72: 'conflict',
  F0: 'damaged',
  HV: 'damaged',
  P0: 'ruled',
  XX: 'damaged'
}

/** By SQLite's result code, without `SQLITE_`: the extended code, else the primary code that it starts with. */
export const sqliteCodes: Readonly<Record<string, Reading>> = {
  AUTH: 'refused',
  BUSY: 'locked',
  // Another process changed the schema.
  BUSY_SNAPSHOT: 'conflict',
  CANTOPEN: 'refused',
  CONSTRAINT_FOREIGNKEY: 'orphan',
  CONSTRAINT_TRIGGER: 'ruled',
  CORRUPT: 'damaged',
  EMPTY: 'damaged',
  FULL: 'exhausted',
  INTERNAL: 'damaged',
  INTERRUPT: 'exhausted',
  IOERR: 'damaged',
  LOCKED: 'locked',
  NOLFS: 'damaged',
  NOMEM: 'exhausted',
  NOTADB: 'damaged',
  NOTFOUND: 'damaged',
  PERM: 'refused',
  PROTOCOL: 'locked',
  READONLY: 'readOnly',
  SCHEMA: 'conflict'
}

/** By Prisma's own codes, and by the kinds of its driver adapters, which do not always keep the database's code. */
const prismaCodes: Readonly<Record<string, Reading>> = {
  P1000: 'refused',
  P1001: 'away',
  P1002: 'away',
  P1003: 'refused',
  P1008: 'locked',
  P1010: 'refused',
  P1011: 'away',
  P1017: 'dropped',
  P2003: 'orphan',
  P2021: 'refused',
  P2022: 'refused',
  P2024: 'exhausted',
  P2028: 'away',
  P2034: 'conflict',
  P2037: 'exhausted',
  AuthenticationFailed: 'refused',
  ColumnNotFound: 'refused',
  ConnectionClosed: 'dropped',
  DatabaseAccessDenied: 'refused',
  DatabaseDoesNotExist: 'refused',
  DatabaseNotReachable: 'away',
  SocketTimeout: 'away',
  TableDoesNotExist: 'refused',
  TlsConnectionError: 'away',
  TooManyConnections: 'exhausted',
  TransactionAlreadyClosed: 'away',
  TransactionWriteConflict: 'conflict'
}

/** By the operating system's codes. */
const systemCodes: Readonly<Record<string, Reading>> = {
  EACCES: 'refused',
  EAI_AGAIN: 'away',
  EAI_FAIL: 'away',
  ECONNABORTED: 'dropped',
  ECONNREFUSED: 'away',
  ECONNRESET: 'dropped',
  EDQUOT: 'exhausted',
  EHOSTDOWN: 'away',
  EHOSTUNREACH: 'away',
  EIO: 'damaged',
  EMFILE: 'exhausted',
  ENETDOWN: 'away',
  ENETUNREACH: 'away',
  ENFILE: 'exhausted',
  ENOENT: 'refused',
  ENOMEM: 'exhausted',
  ENOSPC: 'exhausted',
  ENOTFOUND: 'away',
  EPERM: 'refused',
  EPIPE: 'dropped',
  EROFS: 'readOnly',
  ETIMEDOUT: 'away'
}

export const COMMIT_UNKNOWN = 'COMMIT_UNKNOWN'
export const META_MISSING = 'META_MISSING'

const otherCodes: Readonly<Record<string, Reading>> = { ...prismaCodes, ...systemCodes, [COMMIT_UNKNOWN]: 'unknown', [META_MISSING]: 'refused' }

/** Errors without a code, by their message. */
const words: ReadonlyArray<[RegExp, Reading]> = [
  [/Query read timeout/, 'silent'],
  [/due to connection timeout|timeout exceeded when trying to connect/, 'away'],
  [/Connection terminated|Client has encountered a connection error/i, 'dropped'],
  [/connection is not open|Cannot use a pool after|Transaction already closed|Unable to start a transaction/i, 'away'],
  [/^no such (table|column|index|view)|has no column named|^malformed database schema/, 'refused'],
  [/does not match any PRIMARY KEY or UNIQUE constraint/, 'refused']
]

/** The error and its causes: Prisma and its adapters wrap the errors of the driver. */
function * chain (error: unknown, depth = 0): Iterable<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > 4) return
  const link = error as Record<string, unknown>
  yield link
  for (const key of ['cause', 'meta', 'driverAdapterError']) yield * chain(link[key], depth + 1)
}

function readingOfCode (code: string): Reading | undefined {
  if (Object.hasOwn(otherCodes, code)) return otherCodes[code]
  if (code.startsWith('SQLITE_')) {
    const name = code.slice('SQLITE_'.length)
    // SQLITE_ERROR is explained by its message only.
    return sqliteCodes[name] ?? sqliteCodes[name.split('_')[0]!] ?? (name === 'ERROR' ? undefined : 'mistake')
  }
  // Prisma's own codes look like SQLSTATEs.
  if (!/^[0-9A-Z]{5}$/.test(code) || /^P[1-9]|^E[A-Z]/.test(code)) return undefined
  return sqlStates[code] ?? sqlStates[code.slice(0, 2)] ?? 'mistake'
}

/** Returns what the error means, by the outermost known code. The database's own code takes precedence over Prisma's. */
export function readingOf (error: unknown): Reading {
  for (const link of chain(error)) {
    for (const key of ['originalCode', 'code', 'kind']) {
      const value = link[key]
      const reading = typeof value === 'string' ? readingOfCode(value) : undefined
      if (reading !== undefined) return reading
    }
    const message = link['originalMessage'] ?? link['message']
    const said = typeof message === 'string' ? words.find(([pattern]) => pattern.test(message)) : undefined
    if (said !== undefined) return said[1]
  }
  return 'mistake'
}

/** Returns what follows from an error. */
export function consequencesOf (error: unknown): Readonly<Consequences> {
  return readings[readingOf(error)]
}
