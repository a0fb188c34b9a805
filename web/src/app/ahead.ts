import { getAhead } from '@/lib/api/http'
import type { Ahead } from '@/lib/ahead'

const modules = import.meta.glob<{ ahead: Ahead[] }>('@/features/*/ahead.ts', { eager: true })
export const known = Object.values(modules).flatMap((module) => module.ahead)

/** Begins what the page of this address needs, before the program that shows it is here. */
export function beginAhead(pathname: string): void {
  for (const { path, begin } of known) {
    const found = path.exec(pathname)
    if (!found) continue
    void getAhead('/api/session')
    begin(found.slice(1)).catch(() => undefined)
  }
}

/** Begins what the screen of this address needs, while the one before still stands. */
export function enterAhead(pathname: string): void {
  for (const { path, enter } of known) {
    const found = enter && path.exec(pathname)
    if (found) enter(found.slice(1)).catch(() => undefined)
  }
}
