import { refusalOf } from './outage.js'
import { META_MISSING } from './reading.js'

class MetaMissing extends Error {
  override name = 'MetaMissing'
  readonly code = META_MISSING

  constructor () {
    super('The row of chat_meta is gone')
  }
}

/** The row of `chat_meta`, as it was selected. It has one, so somebody else has deleted it if there is none. @throws UNAVAILABLE */
export function metaRow<Row> (row: Row | undefined | null): Row {
  if (row === undefined || row === null) throw refusalOf(new MetaMissing())
  return row
}
