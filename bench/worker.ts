import { Context, type Report, type Suite } from './suite.js'

// The load process of one suite: `worker.ts <suite> <quick>`, reporting to the parent over its channel.

const [name, quick] = process.argv.slice(2) as [string, string]

async function send (report: Report): Promise<void> {
  await new Promise(resolve => process.send!(report, resolve))
}

const { default: suite } = await import(`./suites/${name}.js`) as { default: Suite }
await suite.run(new Context(name, quick === 'true', report => { void send(report) }))
// Sockets of the load may still be open
process.disconnect()
process.exit(0)
