import type { Command } from './command.js'

export const start: Command = {
  summary: 'Start the server (the default)',
  usage: '',
  options: {},
  details: 'It is configured by environment variables: PORT, DATABASE_URL, JWT_SECRET and others. On a terminal its log is made for people, elsewhere it is JSON.',
  async run () {
    await import('../server.js')
    return undefined
  }
}
