import css from 'style:../ui/style/dialogs.css'
import { later } from './sheets.js'

// The build puts this module in the place of ui/dialogs.ts: the styles of the dialogs come with their code.

later().replaceSync(css)

export * from '../ui/dialogs.js'
