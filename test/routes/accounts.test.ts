import { test } from 'tap'
import { build, call } from '../helper.js'

test('many guesses at once are no more guesses', async (t) => {
  const app = await build(t, { chat: { accounts: true } })
  const log = async (password: string) => await call(app, 'POST', '/api/auth/login', { payload: { userId: 'alice', password } })
  await call(app, 'POST', '/api/auth/register', { payload: { userId: 'alice', password: 'correct horse' } })
  const right = await Promise.all(Array.from({ length: 12 }, async () => await log('correct horse')))
  t.ok(right.every(({ status }) => status === 200), 'many at once with the right password are none')
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) => await log(`guess number ${index}`)))
  t.equal(answers.filter(({ status }) => status === 401).length, 10)
  t.equal(answers.filter(({ status, body }) => status === 429 && body.code === 'TOO_MANY_FAILURES').length, 10)
})

test('without accounts there is no register and no login', async (t) => {
  const app = await build(t)
  for (const path of ['register', 'login']) {
    t.match(await call(app, 'POST', `/api/auth/${path}`, { payload: { userId: 'alice', password: 'correct horse' } }), { status: 404, body: { code: 'NOT_FOUND' } })
  }
})
