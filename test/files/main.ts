import { parseArgs } from 'node:util'
import { runRandom } from './random.js'

/** `npm run files -- --operations 1000 --kills 20 --seed 7`: the test of random operations for longer. */
const { values } = parseArgs({
  options: { operations: { type: 'string', default: '1000' }, kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } }
})
const { operations, disk, rows } = await runRandom({ operations: Number(values.operations), kills: Number(values.kills), seed: Number(values.seed) })
const [left, lost] = [disk.filter(name => !rows.includes(name)), rows.filter(name => !disk.includes(name))]
process.stdout.write(`${operations} operations, ${values.kills} kills: ${rows.length} files; ${left.length} without a row, ${lost.length} without bytes\n`)
process.exit(left.length + lost.length === 0 ? 0 : 1)
