import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { buildPage } from '../../scripts/page.js'

// The shell has no windows, menus and tab strips, which take more than half of the CPU of the others.
const executablePath = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => existsSync(path))

/** Why there is no browser to test with, or false if there is one. With CI=true the tests need one and fail without it. */
export const noBrowser: string | false = executablePath !== undefined || process.env.CI === 'true' ? false : 'no chromium is installed'

export async function launch (t: Test): Promise<Browser> {
  if (executablePath === undefined) throw new Error('no chromium is installed: apt-get install chromium')
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'
    ]
  })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** A page, with the problems that its console and its content security policy reported. */
export interface Tab {
  page: Page
  problems: string[]
}

/** A browser profile of its own. Its tabs share storage and connections. Nothing moves unless it is asked for: each press would wait until it has. */
export async function profile (t: Test, browser: Browser, baseURL: string, options: BrowserContextOptions = {}): Promise<() => Promise<Tab>> {
  const context = await browser.newContext({ baseURL, locale: 'en-GB', viewport: { width: 1100, height: 700 }, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(20_000)
  t.teardown(async () => { await context.close() })
  // Without windows there is nobody to ask: it would be "denied" from the start.
  await context.addInitScript('Object.defineProperty(Notification, "permission", { value: "default", configurable: true })')
  await context.addInitScript('addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => { console.error("policy:", violatedDirective, blockedURI) })')
  return async () => {
    const page = await context.newPage()
    const problems: string[] = []
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) problems.push(message.text()) })
    page.on('pageerror', (error) => { problems.push(error.message) })
    return { page, problems }
  }
}

/** Closes all pages, which would go on working behind the next test. */
export async function closeAll (browser: Browser): Promise<void> {
  await Promise.all(browser.contexts().map(async (context) => { await context.close() }))
}

/** Builds the page, unless `npm test` has done so for all files. */
export async function built (): Promise<void> {
  if (process.env.TEST_PAGE !== 'built') await buildPage(fileURLToPath(new URL('../../dist/web', import.meta.url)))
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The accessibility problems that axe finds in the page, or in an element of it, one line for each: of all its rules, or some. */
export async function findings (page: Page, within?: string, rules?: string[]): Promise<string[]> {
  // Half-way through a fade, every colour has too little contrast.
  await page.evaluate(`Promise.allSettled(document.getAnimations()
    .filter(({ effect }) => effect.getComputedTiming().iterations !== Infinity)
    .map(({ finished }) => finished))`)
  if (await page.evaluate('typeof axe === "undefined"')) await page.evaluate(axe)
  const options = { resultTypes: ['violations'], ...rules === undefined ? {} : { runOnly: rules } }
  const { violations } = await page.evaluate(`axe.run(${within === undefined ? 'document' : JSON.stringify(within)}, ${JSON.stringify(options)})`) as {
    violations: { id: string, impact: string, nodes: { html: string, failureSummary: string }[] }[]
  }
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html, failureSummary }) => `${html} (${failureSummary.replace(/\s+/g, ' ')})`).join('; ').slice(0, 600)}`)
}
