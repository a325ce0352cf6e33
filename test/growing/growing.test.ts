import t from 'tap'
import { runGrowing } from './run.js'

// SEEDS=100 node --import=tsx test/growing/growing.test.ts searches for longer.

const seeds = Number(process.env['SEEDS'] ?? 1)
if (seeds > 1) t.setTimeout(0)

for (let n = 0; n < seeds; n++) {
  const seed = seeds === 1 ? 'growing' : `growing ${n} ${Date.now()}`
  await t.test(`what was answered is what everybody holds: ${seed}`, async t => {
    t.strictSame(await runGrowing(t, { seed, messages: 4, appends: 18 }), [])
  })
}
