import { test } from 'tap'
import { RowSets } from '../../store/row-sets.js'
import { blocks } from '../../store/tables.js'

type Row = { userId: string, blockedId: string, createdAt: number }

const row = (userId: string, blockedId: string, createdAt = 1): Row => ({ userId, blockedId, createdAt })

test('rows are found by the values that they were loaded by', t => {
  const sets = new RowSets()
  t.ok(sets.open(blocks, { userId: 'ann' }))
  t.notOk(sets.open(blocks, { userId: 'ann' }), 'a set is loaded once')
  t.ok(sets.open(blocks, { blockedId: 'bob', userId: 'ann' }))
  const one = row('ann', 'bob')
  sets.place(blocks, one)
  sets.place(blocks, row('ann', 'cleo'))
  sets.place(blocks, row('bob', 'ann'))
  t.equal(sets.rows(blocks, { userId: 'ann' }).length, 2)
  t.strictSame(sets.rows(blocks, { userId: 'ann', blockedId: 'bob' }), [one], 'in whichever order the fields are named')
  t.strictSame(sets.rows(blocks, { userId: 'bob' }), [], 'a set that was not opened is empty')
  t.end()
})

test('a row is one object in all sets, however often it was read', t => {
  const sets = new RowSets()
  sets.open(blocks, { userId: 'ann' })
  sets.open(blocks, { blockedId: 'bob' })
  const one = row('ann', 'bob')
  sets.place(blocks, one)
  sets.place(blocks, row('ann', 'bob', 2))
  t.equal(sets.rows(blocks, { userId: 'ann' })[0], one)
  t.equal(sets.rows(blocks, { blockedId: 'bob' })[0], one)
  t.equal(sets.rows(blocks, { userId: 'ann' }).length, 1)
  sets.remove(blocks, { userId: 'ann', blockedId: 'bob' })
  t.strictSame(sets.rows(blocks, { blockedId: 'bob' }), [])
  sets.place(blocks, row('ann', 'bob', 3))
  t.strictSame(sets.rows(blocks, { userId: 'ann' }), [row('ann', 'bob', 3)])
  t.end()
})
