import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { ensureUser } from '../../chat/users.js'
import { chatError } from '../../errors.js'
import type { Database } from '../../store/database.js'
import { openDatabase } from '../../store/open-database.js'
import type { Unit } from '../../store/unit.js'
import { Writer, type Command, type Commit } from '../../store/writer.js'
import { temporaryFolder } from '../faults/process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

async function suite (t: Test, open: (t: Test) => Promise<Database>): Promise<void> {
  const database = await open(t)
  const commits: Commit[] = []
  const writer = new Writer(database, commit => { commits.push(commit) })

  const names = async (): Promise<string[]> =>
    (await database.read.query<{ id: string }>('SELECT id FROM chat_users ORDER BY id')).map(({ id }) => id)

  /** Creates a user, then fails with this error. */
  const failing = (id: string, fail: (unit: Unit) => unknown): Command<unknown> => {
    const { needs, apply } = ensureUser({ userId: id, displayName: null, avatar: null, issuedAt: null, expiresAt: null })
    return {
      needs,
      apply (unit) {
        apply(unit)
        return fail(unit)
      }
    }
  }
  const making = (id: string): Command<unknown> => failing(id, () => id)

  const outcomes = async (...commands: Array<Command<unknown>>): Promise<unknown[]> =>
    (await Promise.allSettled(commands.map(async command => await writer.write(command))))
      .map(outcome => outcome.status === 'fulfilled' ? 'done' : (outcome.reason as Error).message)

  const mistake = (): never => { throw new TypeError('a mistake') }

  await t.test('a mistake after a change undoes it, and leaves the others', async t => {
    t.strictSame(await outcomes(making('a1'), failing('a2', mistake), making('a3')), ['done', 'a mistake', 'done'])
    t.strictSame(await names(), ['a1', 'a3'])
  })

  await t.test('alone, too', async t => {
    t.strictSame(await outcomes(failing('b1', mistake)), ['a mistake'])
    t.notOk((await names()).includes('b1'))
  })

  await t.test('so does a refusal after a change', async t => {
    const { message } = chatError('FORBIDDEN')
    t.strictSame(await outcomes(making('c1'), failing('c2', () => { throw chatError('FORBIDDEN') }), making('c3')), ['done', message, 'done'])
    t.strictSame((await names()).filter(name => name.startsWith('c')), ['c1', 'c3'])
  })

  await t.test('a refusal before any change undoes nothing of the others', async t => {
    commits.length = 0
    const refused: Command<unknown> = { needs () {}, apply () { throw chatError('FORBIDDEN') } }
    t.strictSame(await outcomes(making('d1'), refused, making('d2')), ['done', chatError('FORBIDDEN').message, 'done'])
    t.equal(commits.length, 1, 'in one transaction')
  })

  await t.test('what fails when it is written undoes all of the transaction, and leaves the others', async t => {
    const unwritable = failing('e2', unit => { unit.changeUser(unit.user('e2')!, { displayName: null as never }) })
    const [first, second, third] = await outcomes(making('e1'), unwritable, making('e3'))
    t.strictSame([first, third], ['done', 'done'])
    t.match(second, /null/i)
    t.strictSame((await names()).filter(name => name.startsWith('e')), ['e1', 'e3'])
  })

  await t.test('a mistake in what a command needs is its own', async t => {
    const careless: Command<unknown> = { needs: mistake, apply: () => 'never' }
    t.strictSame(await outcomes(making('f1'), careless), ['done', 'a mistake'])
  })

  await t.test('a command may ask for what it named, and not for what another one of the batch named', async t => {
    const asking = (named: string, asked: string): Command<unknown> =>
      ({ needs (keys) { keys.user(named) }, apply: unit => unit.user(asked) })
    t.strictSame(await outcomes(asking('a1', 'a1'), asking('a3', 'a1'), asking('a1', 'a3'), making('g1')), [
      'done',
      'The command asks for what it did not name in needs: user a1',
      'The command asks for what it did not name in needs: user a3',
      'done'
    ])
    const kinds: Array<(unit: Unit) => unknown> = [
      unit => unit.conversation('c'), unit => unit.participant('c', 'a1'), unit => unit.participants('c'), unit => unit.message('m'),
      unit => unit.messageByClientId('c', 'a1', 'k'), unit => unit.lastOfOthersUpTo('c', 'a1', 1), unit => unit.quota('a1'),
      unit => unit.resumable('c', 'a1', 1), unit => unit.streamsOf('a1')
    ]
    for (const ask of kinds) t.match((await outcomes(failing('g2', ask)))[0], 'did not name')
  })

  await writer.close()
}

await t.test('SQLite', async t => {
  await suite(t, async t => {
    const database = await openDatabase({ url: `file:${temporaryFolder(t)}/chat.db` })
    t.teardown(async () => { await database.close() })
    return database
  })
})

await t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  await suite(t, async t => {
    const schema = `test_${randomBytes(6).toString('hex')}`
    const database = await openDatabase({ url: await requirePostgres(), schema })
    t.teardown(async () => {
      await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
      await database.close()
    })
    return database
  })
})
