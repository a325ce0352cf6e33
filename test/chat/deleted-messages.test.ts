import { test } from 'tap'
import type { Table } from '../../store/table.js'
import * as tables from '../../store/tables.js'
import { buildWithFiles, uploaded } from '../files/upload.js'
import { users, type User } from '../helper.js'

/** Tables with a `seq` whose rows outlive the message: the message's own row, the log, and watermarks, which are past messages. */
const outliving = ['chat_messages', 'chat_events', 'chat_marks']
/** Tables whose rows are found without an index by the message, and deleted by code of their own. */
const foundOtherwise = ['chat_mentions']
/** Tables whose rows belong to one message, each with the column of the message's `seq`. */
const belonging = (Object.values(tables) as Array<Table<Record<string, unknown>>>).flatMap(({ name, columns, ofMessage }) => {
  if (outliving.includes(name) || !('conversation' in columns)) return []
  return 'messageSeq' in columns ? [{ name, column: 'message_seq', ofMessage }] : 'seq' in columns ? [{ name, column: 'seq', ofMessage }] : []
})

test('a deleted message leaves no row in any table whose rows belong to it', async t => {
  const { app } = await buildWithFiles(t)
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const id = await ann.group([bob])
  const message = await ann.send(id, '@bob', { mentions: [{ userId: 'bob', start: 0, length: 4 }], mentionsAll: true, attachments: [{ fileId: (await uploaded(ann)).fileId }] })
  await bob.ok('PUT', `/api/chat/messages/${message.id}/reactions/${encodeURIComponent('👍')}`)
  const rowsOf = async ({ name, column }: typeof belonging[number]): Promise<number> => {
    const [row] = await app.chatDatabase.read.query<{ count: number | bigint }>(`SELECT count(*) AS count FROM ${name} WHERE ${column} = ?`, message.seq)
    return Number(row!.count)
  }
  t.ok(belonging.length > 1)
  for (const { name, ofMessage } of belonging) t.ok(ofMessage !== undefined || foundOtherwise.includes(name), `${name} names the field of the message in store/tables.ts`)
  for (const table of belonging) t.ok(await rowsOf(table) > 0, `the message has a row in ${table.name}: give it one in this test`)
  await ann.ok('DELETE', `/api/chat/messages/${message.id}`)
  for (const table of belonging) t.equal(await rowsOf(table), 0, `none is left in ${table.name}`)
})
