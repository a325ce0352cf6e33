import { LARGE, postgresAnswers, provide, type Provider } from '../data/databases.js'
import type { Context, Suite } from '../suite.js'
import { cpuMicros } from '../measure/process.js'
import { Product } from '../systems/product.js'

const suite: Suite = {
  summary: 'from the command to listening, on a database of 1,000,000 messages',
  async run (context) {
    await measure(context, 'sqlite')
    if (await postgresAnswers()) await measure(context, 'postgresql')
    else context.skip('PostgreSQL doesn\'t answer on 127.0.0.1:5432 (or at TEST_DATABASE_URL)')
  }
}

async function measure (context: Context, provider: Provider): Promise<void> {
  const { url } = await provide(provider, LARGE, text => { context.progress(text) })
  const starts = await context.repeat(provider, async () => {
    const start = performance.now()
    const product = await Product.start({ databaseUrl: url })
    const seconds = (performance.now() - start) / 1000
    const cpu = cpuMicros(product.pid) / 1e6
    await product.stop()
    return { seconds, cpu }
  })
  const seconds = context.figure(provider, 'listening after', 's', starts.map(({ seconds }) => seconds))
  const cpu = context.figure(provider, 'CPU until then', 's', starts.map(({ cpu }) => cpu))
  context.target(`${provider}: listening`, seconds, 0.7, 's')
  context.target(`${provider}: CPU until then`, cpu, 1, 's')
}

export default suite
