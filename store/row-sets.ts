import type { ConversationRow } from './rows.js'
import type { FieldOf, RowOf, Table } from './table.js'

/** A row of any table, as the unit of work holds it: the row of the conversation takes the place of its number. */
export type Held<T extends Table<unknown>> = { [Field in FieldOf<T>]: Field extends 'conversation' ? ConversationRow : RowOf<T>[Field] }
/** Values of some fields of a table. */
export type Values<T extends Table<unknown>> = Readonly<Partial<Held<T>>>
export type ValuesWithin<T extends Table<unknown>> = Omit<Values<T>, 'conversation'>
/** A table whose rows do not belong to a conversation. */
export type TableApart<T extends Table<unknown>> = 'conversation' extends FieldOf<T> ? never : T
type AnyValues = Readonly<Record<string, unknown>>

/** What a set of rows is called: its table, fields and values. */
export function nameOf (table: Table<unknown>, values: object): string[] {
  const { fields, key } = identityOf(values)
  return [table.name, ...fields, key]
}

/** Fields in an order that does not depend on how they were written down, and their values as text. */
function identityOf (values: object): { fields: string[], key: string } {
  const fields = Object.keys(values).sort()
  return { fields, key: keyOf(fields, values as AnyValues) }
}

const keyOf = (fields: readonly string[], row: AnyValues): string => JSON.stringify(fields.map(field => {
  const value = row[field]
  return typeof value === 'object' && value !== null ? (value as ConversationRow).id : value
}))

/** What is loaded of one table. */
interface Loaded {
  /** Each row once, by its primary key. */
  rows: Map<string, AnyValues>
  /** By the fields that the rows were found by, and then by their values. */
  sets: Map<string, { fields: readonly string[], byKey: Map<string, Set<AnyValues>> }>
}

/**
 * Rows of tables that need no code of their own: all rows that have certain values in certain fields. They stay up to date
 * while the commands of the transaction insert and delete rows.
 */
export class RowSets {
  readonly #byTable = new Map<Table<unknown>, Loaded>()

  /**
   * Begins a set, empty. From here on it holds each row with these values that is placed.
   * @returns whether it is new
   */
  open (table: Table<unknown>, values: object): boolean {
    const { fields, key } = identityOf(values)
    const name = fields.join(' ')
    let loaded = this.#byTable.get(table)
    if (loaded === undefined) this.#byTable.set(table, loaded = { rows: new Map(), sets: new Map() })
    let sets = loaded.sets.get(name)
    if (sets === undefined) loaded.sets.set(name, sets = { fields, byKey: new Map() })
    if (sets.byKey.has(key)) return false
    sets.byKey.set(key, new Set())
    return true
  }

  /** Adds a row to the sets that it belongs to. Where there is one with its primary key, that stays. */
  place (table: Table<unknown>, row: object): void {
    const loaded = this.#byTable.get(table)
    if (loaded === undefined) return
    const primaryKey = keyOf(table.key, row as AnyValues)
    const placed = loaded.rows.get(primaryKey) ?? row as AnyValues
    loaded.rows.set(primaryKey, placed)
    for (const { fields, byKey } of loaded.sets.values()) byKey.get(keyOf(fields, placed))?.add(placed)
  }

  /** Takes the rows with these values out of all sets. */
  remove (table: Table<unknown>, values: object): void {
    const loaded = this.#byTable.get(table)
    if (loaded === undefined) return
    const { fields, key } = identityOf(values)
    for (const [primaryKey, row] of loaded.rows) {
      if (keyOf(fields, row) !== key) continue
      loaded.rows.delete(primaryKey)
      for (const { byKey } of loaded.sets.values()) for (const rows of byKey.values()) rows.delete(row)
    }
  }

  rows (table: Table<unknown>, values: object): AnyValues[] {
    const { fields, key } = identityOf(values)
    return [...this.#byTable.get(table)?.sets.get(fields.join(' '))?.byKey.get(key) ?? []]
  }
}
