import t from 'tap'
import { runRandom } from './random.js'

t.test('after random operations and kills, files on the disk are those of rows', async t => {
  const { operations, disk, rows } = await runRandom({ operations: 80, kills: 2, seed: 1 })
  t.equal(operations, 80)
  t.ok(rows.length > 0)
  t.strictSame(disk, rows)
})
