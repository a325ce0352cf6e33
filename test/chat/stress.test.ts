import { test } from 'tap'
import { runCrowd } from '../crowd.js'
import { baseUrl, buildListening, token } from '../helper.js'

test('twenty users in eight conversations at once: nothing missing, double or out of order', async (t) => {
  const app = await buildListening(t)
  const seed = process.env['TEST_SEED'] ?? String(Date.now())
  const { problems, ...figures } = await runCrowd(
    { origin: baseUrl(app), tokenOf: userId => token({ sub: userId }), users: 20, conversations: 8, calls: 500, seed, pauseMs: 20 }
  )
  t.strictSame(problems.slice(0, 20), [], `TEST_SEED=${seed}`)
  t.comment(JSON.stringify(figures))
  t.ok(figures.messages > 50 && figures.reconnects > 10 && figures.events > figures.messages)
})
