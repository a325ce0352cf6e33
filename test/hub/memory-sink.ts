import { Writable } from 'node:stream'

export interface SentEvent { type: string, data: Record<string, unknown>, id: string | undefined }

/** A connection that takes everything at once, and the events that it received. */
export class MemorySink extends Writable {
  text = ''
  onWrite = (): void => {}

  constructor () {
    super({
      decodeStrings: false,
      write: (chunk, _, done) => {
        this.text += String(chunk)
        this.onWrite()
        done()
      }
    })
  }

  get events (): SentEvent[] {
    return this.text.split('\n\n').filter(block => block.includes('event: ')).map(block => {
      const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      return { type: field('event')!, data: JSON.parse(field('data')!) as Record<string, unknown>, id: field('id') }
    })
  }
}
