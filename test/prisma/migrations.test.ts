import t from 'tap'
import { schemaDiff } from '../../scripts/schema-diff.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

const hint = 'the migrations lead to the models (else: npm run migration -- <name>)'

t.test('SQLite', async (t) => {
  t.equal(await schemaDiff('sqlite'), '', hint)
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async (t) => {
  t.equal(await schemaDiff('postgresql', await requirePostgres()), '', hint)
})
