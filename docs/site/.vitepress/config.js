// The site is made from the documents as they are: README.md is the index, and its table the sidebar. A link that leads nowhere fails the build.

import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'

const repository = 'https://github.com/fastify-sse-chat/fastify-sse-chat'
const index = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

/** @param {string} link */
const pathOf = link => link.endsWith('/') ? `${link}README.md` : link

/** @param {string} link */
const linkOf = link => `/${pathOf(link).replace(/README\.md$/, '').replace(/\.md$/, '')}`

/** @param {string} link */
function titleOf (link) {
  return /^# (.*)$/m.exec(readFileSync(new URL(`../../${pathOf(link)}`, import.meta.url), 'utf8'))[1]
}

/** The rows of the index: what for, and the documents. */
const sidebar = [...index.matchAll(/^\| ([a-z][^|]*) \| (.*) \|$/gm)].filter(([, to]) => to !== 'to').map(([, to, documents]) => ({
  text: to[0].toUpperCase() + to.slice(1),
  items: [...documents.matchAll(/\[([^[\]]+)\]\(([^.()][^()#]*)\)/g)].map(([, , link]) => ({ text: titleOf(link), link: linkOf(link) }))
})).filter(({ items }) => items.length > 0)

export default defineConfig({
  title: 'fastify-sse-chat',
  description: 'Realtime chat for any Fastify app: REST in, Server-Sent Events out, nothing lost',
  srcDir: '..',
  srcExclude: ['site/**'],
  outDir: 'dist',
  rewrites: { 'README.md': 'index.md', 'decisions/README.md': 'decisions/index.md' },
  cleanUrls: true,
  markdown: {
    config (md) {
      md.core.ruler.push('links', ({ tokens, env }) => {
        // Code of the documents is indented, and coloured only if it is fenced
        for (const token of tokens) if (token.type === 'code_block') Object.assign(token, { type: 'fence', info: 'ts', markup: '```' })
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          if (token.type === 'link_open') token.attrSet('href', target(token.attrGet('href'), env.relativePath))
          // Not for Vue: it may hold braces
          if (token.type === 'code_inline') token.attrSet('v-pre', '')
        }
      })
    }
  },
  themeConfig: {
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }]
  }
})

/**
 * Files of the repository that are not documents are shown where the repository is.
 *
 * @param {string} href
 * @param {string} from
 */
function target (href, from) {
  if (/^[a-z]+:|^#/.test(href)) return href
  const [path, hash = ''] = href.split(/(?=#)/)
  const { pathname } = new URL(path, `file:///docs/${from}`)
  if (!pathname.startsWith('/docs/')) return `${repository}/${/\.\w+$/.test(pathname) ? 'blob' : 'tree'}/main${pathname}${hash}`
  return path.replace(/(^|\/)README\.md$/, '$1index.md') + hash
}
