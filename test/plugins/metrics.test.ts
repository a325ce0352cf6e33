import { Registry } from 'prom-client'
import { test } from 'tap'
import { build, call } from '../helper.js'

test('metrics are collected once in a second, however many ask', async t => {
  const app = await build(t)
  const collect = Registry.prototype.metrics
  let collected = 0
  let fails = false
  t.teardown(() => { Registry.prototype.metrics = collect })
  Registry.prototype.metrics = async function () {
    collected++
    if (fails) throw new Error('can\'t collect')
    return await collect.call(this)
  }
  const now = performance.now
  let offset = 0
  performance.now = () => now.call(performance) + offset
  t.teardown(() => { performance.now = now })

  const ask = async () => (await call<string>(app, 'GET', '/metrics'))
  const answers = await Promise.all(Array.from({ length: 50 }, ask))
  t.equal(collected, 1, 'all at once')
  t.match(answers[49], { status: 200, body: /^chat_streams 0$/m })
  await ask()
  t.equal(collected, 1)
  offset += 1001
  t.match((await ask()).body, /route="\/metrics"/, 'what came since')
  t.equal(collected, 2)

  fails = true
  offset += 1001
  t.equal((await ask()).status, 500)
  fails = false
  t.equal((await ask()).status, 200, 'a failure is not kept')
})
