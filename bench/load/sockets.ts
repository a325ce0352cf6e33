import { connect, type Socket } from 'node:net'

/** One buffer that all sockets read into: what comes is looked at where it lies, and not kept. */
const shared = Buffer.allocUnsafe(256 * 1024)

/** Opens a raw connection to the server; `read` is given what comes, good until it returns. */
export function openSocket (port: number, read: (buffer: Buffer, bytes: number) => void, closed: () => void): Socket {
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: { buffer: shared, callback: (bytes, buffer) => { read(buffer as Buffer, bytes); return true } }
  })
  socket.on('error', () => {})
  socket.on('close', closed)
  return socket
}
