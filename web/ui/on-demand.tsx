import type { FunctionComponent, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { useWords } from './context.js'
import { Dialog } from './dialog.js'
import { loadDialogTexts } from './words.js'

/** What is loaded, `null` until then, and `undefined` if it cannot be loaded. */
type Loaded<T> = T | null | undefined

/** Code that is loaded when it is first needed. @returns a hook that gives it, and loads it if it is wanted */
export function loadable<T> (load: () => Promise<T>): (wanted: boolean) => Loaded<T> {
  let loaded: T | null = null
  let loading: Promise<T> | null = null
  return (wanted) => {
    const [state, setState] = useState<Loaded<{ value: T }>>(null)
    useEffect(() => {
      if (!wanted) return
      // It may have come since this component was drawn, for another one.
      if (loaded !== null) return setState({ value: loaded })
      let here = true
      loading ??= load()
      loading.then((value) => {
        loaded = value
        if (here) setState({ value })
      }, () => {
        loading = null // It is tried again when it is next needed
        if (here) setState(undefined)
      })
      return () => { here = false }
    }, [wanted])
    return loaded ?? (state === undefined ? undefined : null)
  }
}

/** A dialog or popup whose code and texts are loaded when it is first opened. */
export function onDemand<P extends { onClose: () => void }> (load: () => Promise<FunctionComponent<P>>): (props: P) => JSX.Element {
  const useLoaded = loadable(async () => (await Promise.all([load(), loadDialogTexts()]))[0])
  return function OnDemand (props: P): JSX.Element {
    const words = useWords()
    const Part = useLoaded(true)
    if (Part === undefined) return <Dialog title={words.somethingWrong} onClose={props.onClose}><p class='dialog-text'>{words.NETWORK}</p></Dialog>
    return Part === null ? <></> : <Part {...props} />
  }
}
