import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Why a test that needs a browser is skipped. */
export const noBrowser = 'no Chromium here: neither chromium, chromium-browser nor google-chrome is on the path';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser of this machine; undefined where there is none. Nothing is downloaded. */
export async function findBrowser(): Promise<string | undefined> {
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter)];
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** Starts it with a profile of its own, and without anything that it does on the network by itself. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath, headless: true, args });
}

/** A page, and what must not happen on it. */
export type WatchedPage = {
  page: Page;
  /** Errors and warnings of the console, and exceptions that nobody caught. */
  complaints: string[];
  /** Every address that was asked for, WebSockets among them. */
  requests: string[];
};

/** Opens a page in a context of its own: nothing is remembered from another. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  page.on('websocket', (socket) => requests.push(socket.url()));
  return { page, complaints, requests };
}
