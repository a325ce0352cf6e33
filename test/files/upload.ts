import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { UploadedFile } from '../../schemas/files.js'
import { build, type Answer, type BuildOptions, type User } from '../helper.js'

/** A folder for files, and an app that uses it. */
export async function buildWithFiles (t: Test, { chat, ...options }: BuildOptions = {}): Promise<{ app: FastifyInstance, dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'chat-files-'))
  t.teardown(() => { rmSync(dir, { recursive: true, force: true }) })
  return { app: await build(t, { ...options, chat: { files: { dir }, ...chat } }), dir }
}

/** The files on the disk, those in the scratch folder included. */
export const onDisk = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name).sort()

const BOUNDARY = '----boundary'

export interface Part {
  field?: string
  /** Null: a field without a filename. */
  name?: string | null
  type?: string
  bytes?: Buffer | string
}

/** A multipart body, made without the code under test. */
export function multipart (parts: Part[], { end = true } = {}): { payload: Buffer, headers: Record<string, string> } {
  const pieces = parts.flatMap(({ field = 'file', name = 'x.bin', type = 'text/html', bytes = 'x' }) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"${name === null ? '' : `; filename="${name}"`}\r\n${name === null ? '' : `Content-Type: ${type}\r\n`}\r\n`),
    Buffer.from(bytes), Buffer.from('\r\n')
  ])
  return {
    payload: Buffer.concat([...pieces, Buffer.from(end ? `--${BOUNDARY}--\r\n` : '')]),
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
  }
}

/** Uploads a file without a socket. */
export async function post (user: User, bytes: Buffer | string, name = 'x.bin'): Promise<Answer<UploadedFile>> {
  return await postParts(user, [{ bytes, name }])
}

export async function postParts (user: User, parts: Part[], options = {}): Promise<Answer<UploadedFile>> {
  const { payload, headers } = multipart(parts, options)
  const { statusCode, headers: answered, payload: body } = await user.app.inject({
    method: 'POST', url: '/api/chat/files', headers: { authorization: `Bearer ${user.token}`, ...headers }, payload
  })
  return { status: statusCode, headers: answered, body: JSON.parse(body) as UploadedFile }
}

export async function uploaded (user: User, bytes: Buffer | string = 'x', name?: string): Promise<UploadedFile> {
  const { status, body } = await post(user, bytes, name)
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body
}

/** Downloads a file without a socket. */
export async function download (user: User | undefined, app: FastifyInstance, url: string, headers: Record<string, string> = {}) {
  return await app.inject({ url, headers: { ...(user === undefined ? {} : { authorization: `Bearer ${user.token}` }), ...headers } })
}
