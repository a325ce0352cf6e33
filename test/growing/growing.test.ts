import t, { type Test } from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { nodesWithFaultyBus, processes, type Nodes } from './nodes.js'
import { runGrowing } from './run.js'

// SEEDS=100 node --import=tsx test/growing/growing.test.ts searches for longer.

const seeds = Number(process.env['SEEDS'] ?? 1)
const kills = seeds > 1 ? 3 : 1

t.setTimeout(seeds > 1 ? 0 : 200_000)

interface Case { name: string, nodes: (t: Test) => Promise<Nodes>, kills?: number, skip?: string | false }

const cases: Case[] = [
  { name: 'two nodes, whose bus loses and repeats', nodes: nodesWithFaultyBus },
  { name: 'a process on SQLite that is killed', nodes: async t => await processes(t), kills },
  {
    name: 'two processes on PostgreSQL that are killed',
    nodes: async t => await processes(t, await requirePostgres()),
    kills,
    skip: await skipWithoutPostgres()
  }
]

for (const { name, nodes, kills: killed = 0, skip = false } of cases) {
  for (let n = 0; n < seeds; n++) {
    const seed = seeds === 1 ? 'growing' : `growing ${n} ${Date.now()}`
    await t.test(`what was answered is what everybody holds: ${name}: ${seed}`, { skip }, async t => {
      t.strictSame(await runGrowing(await nodes(t), { seed, messages: 4, appends: 18, kills: killed }), [])
    })
  }
}
