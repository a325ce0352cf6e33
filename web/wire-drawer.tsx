import type { JSX } from 'preact'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useChat } from './ui/context.js'
import { useStore } from './ui/hooks.js'
import { CloseIcon } from './ui/icons.js'
import type { PageWords } from './words.js'
import { CopyButton } from './copy-button.js'
import type { Wire, WireEntry } from './wire.js'
import { usePageWords } from './words.js'

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false })

/** Shows the raw events with their ids, and the calls between them, as they happen. */
export function WireDrawer ({ wire, onClose }: { wire: Wire, onClose: () => void }): JSX.Element {
  const words = usePageWords()
  const { session } = useChat()
  const { entries, cut, streams } = useStore(wire)
  const [eventsOnly, setEventsOnly] = useState(false)
  const shown = eventsOnly ? entries.filter(({ kind }) => kind !== 'call') : entries
  const list = useRef<HTMLOListElement>(null)
  const follow = useRef(true)

  useLayoutEffect(() => {
    if (follow.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  }, [shown])

  return (
    <aside class='wire' aria-label={words.onTheWire}>
      <header class='wire-head'>
        <h2>{words.onTheWire}</h2>
        <span class='wire-url'>GET /api/sse</span>
        <label class='check'>
          <input type='checkbox' checked={eventsOnly} onChange={({ currentTarget }) => { setEventsOnly(currentTarget.checked) }} />
          {words.eventsOnly}
        </label>
        {(cut || streams) && (
          <button
            type='button' class='button is-small is-quiet' aria-pressed={cut} title={words.cutHint} onClick={() => {
              if (!cut) return wire.cut()
              wire.mend()
              session.reconnect()
            }}
          >
            {cut ? words.mendLine : words.cutLine}
          </button>
        )}
        <button type='button' class='button is-small is-quiet' onClick={() => { wire.clear() }}>{words.clear}</button>
        <button type='button' class='icon-button' aria-label={words.closeWire} onClick={onClose}><CloseIcon /></button>
      </header>
      <ol
        ref={list} class='wire-entries' tabIndex={0} aria-label={words.eventsAndCalls} onScroll={({ currentTarget }) => {
          follow.current = currentTarget.scrollHeight - currentTarget.scrollTop - currentTarget.clientHeight < 40
        }}
      >
        {shown.map((entry) => <li key={entry.n}><Entry entry={entry} /></li>)}
        {shown.length === 0 && <li class='wire-nothing'>{words.nothingYet}</li>}
      </ol>
    </aside>
  )
}

function Entry ({ entry }: { entry: WireEntry }): JSX.Element {
  const words = usePageWords()
  return useMemo(() => describe(entry, words), [entry, words])
}

function describe (entry: WireEntry, words: PageWords): JSX.Element {
  const { at } = entry
  if (entry.kind === 'line') return <p class='entry-line'><time>{clock.format(at)}</time> {entry.cut ? words.lineIsCut : words.lineIsMended}</p>
  if (entry.kind === 'event') {
    const { type, id, data, replayed } = entry
    return (
      <details class={`entry is-event is-${type}`}>
        <summary>
          <time>{clock.format(at)}</time>
          <b><span class='arrow' aria-hidden='true'>←</span>{type}{replayed && <span class='entry-replayed'>{words.replayed}</span>}</b>
          <code class='entry-data'>{JSON.stringify(data)}</code>
          <code class='entry-id'>{id === null ? words.noId : words.idOf(id)}</code>
        </summary>
        <pre>{`event: ${type}\n${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data, null, 2)}`}</pre>
      </details>
    )
  }
  const { method, path, body, status, ms, lastEventId, answer, curl } = entry
  const head = `${method} ${path}${lastEventId === null ? '' : `\nLast-Event-ID: ${lastEventId}`}`
  return (
    <details class='entry is-call'>
      <summary>
        <time>{clock.format(at)}</time>
        <b><span class='arrow' aria-hidden='true'>→</span>{method}</b>
        <code class='entry-data'>{path}{lastEventId === null ? '' : ` Last-Event-ID: ${lastEventId}`}{body === null ? '' : ` ${body}`}</code>
        <code class={`entry-id${status !== null && status < 400 ? '' : ' is-bad'}`}>{status ?? words.noAnswer} · {ms} ms</code>
      </summary>
      <pre>{`${head}${body === null ? '' : `\n\n${pretty(body)}`}`}</pre>
      {status !== null && <pre class='entry-answer'>{`${status}${answer === null ? '' : `\n\n${pretty(answer)}`}`}</pre>}
      <p class='entry-foot'><CopyButton text={curl} label={words.copyCurl} /></p>
    </details>
  )
}

function pretty (json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json // It is none, or was cut off
  }
}
