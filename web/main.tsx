import { render } from 'preact'
import { App } from './app.js'
import { WordsProvider } from './ui/context.js'
import { loadPageWords } from './words.js'

const words = await loadPageWords(navigator.language)
document.documentElement.lang = words.language

render(<WordsProvider value={words}><App /></WordsProvider>, document.getElementById('app')!)
