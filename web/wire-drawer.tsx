import type { JSX } from 'preact'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useStore } from './hooks.js'
import { CloseIcon } from './icons.js'
import type { Wire, WireEntry } from './wire.js'

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false })

/** Shows the raw events with their ids, and the calls between them, as they happen. */
export function WireDrawer ({ wire, onClose }: { wire: Wire, onClose: () => void }): JSX.Element {
  const entries = useStore(wire)
  const [eventsOnly, setEventsOnly] = useState(false)
  const shown = eventsOnly ? entries.filter(({ kind }) => kind === 'event') : entries
  const list = useRef<HTMLOListElement>(null)
  const follow = useRef(true)

  useLayoutEffect(() => {
    if (follow.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  }, [shown])

  return (
    <aside class='wire' aria-label='On the wire'>
      <header class='wire-head'>
        <h2>On the wire</h2>
        <span class='wire-url'>GET /api/sse</span>
        <label class='check'>
          <input type='checkbox' checked={eventsOnly} onChange={({ currentTarget }) => { setEventsOnly(currentTarget.checked) }} />
          Events only
        </label>
        <button type='button' class='button is-small is-quiet' onClick={() => { wire.clear() }}>Clear</button>
        <button type='button' class='icon-button' aria-label='Close the wire' onClick={onClose}><CloseIcon /></button>
      </header>
      <ol
        ref={list} class='wire-entries' tabIndex={0} aria-label='Events and calls' onScroll={({ currentTarget }) => {
          follow.current = currentTarget.scrollHeight - currentTarget.scrollTop - currentTarget.clientHeight < 40
        }}
      >
        {shown.map((entry) => <li key={entry.n}><Entry entry={entry} /></li>)}
        {shown.length === 0 && <li class='wire-nothing'>Nothing yet.</li>}
      </ol>
    </aside>
  )
}

function Entry ({ entry }: { entry: WireEntry }): JSX.Element {
  return useMemo(() => describe(entry), [entry])
}

function describe (entry: WireEntry): JSX.Element {
  const { at } = entry
  if (entry.kind === 'event') {
    const { type, id, data } = entry
    return (
      <details class={`entry is-event is-${type}`}>
        <summary>
          <time>{clock.format(at)}</time>
          <b><span class='arrow' aria-hidden='true'>←</span>{type}</b>
          <code class='entry-data'>{JSON.stringify(data)}</code>
          <code class='entry-id'>{id === null ? 'no id' : `id ${id}`}</code>
        </summary>
        <pre>{`event: ${type}\n${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data, null, 2)}`}</pre>
      </details>
    )
  }
  const { method, path, body, status, ms } = entry
  return (
    <details class='entry is-call'>
      <summary>
        <time>{clock.format(at)}</time>
        <b><span class='arrow' aria-hidden='true'>→</span>{method}</b>
        <code class='entry-data'>{path}{body === null ? '' : ` ${body}`}</code>
        <code class={`entry-id${status !== null && status < 400 ? '' : ' is-bad'}`}>{status ?? 'no answer'} · {ms} ms</code>
      </summary>
      <pre>{`${method} ${path}${body === null ? '' : `\n\n${JSON.stringify(JSON.parse(body), null, 2)}`}`}</pre>
    </details>
  )
}
