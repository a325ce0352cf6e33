import { Server } from 'socket.io'
import { buildApp, listen } from './app.js'

const app = await buildApp()
const io = new Server(app.server)
await listen(app, message => io.emit('message', message))
