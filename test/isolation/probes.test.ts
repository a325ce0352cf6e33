import t from 'tap'
import { readRoutes } from '../fuzz/routes.js'
import { routesThatName } from './named.js'
import { probes } from './probes.js'

t.test('there is a probe for every route that names a conversation, a message or a file', async t => {
  const all = probes('other')
  const routes = routesThatName(await readRoutes())
  t.ok(routes.length > 10)
  for (const { name, about, matches } of routes) {
    t.ok(all.some(probe => probe.about === about && matches(probe.method, probe.path('id'))), name)
  }
})
