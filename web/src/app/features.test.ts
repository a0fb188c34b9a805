import { describe, expect, it } from 'vitest'
import type { SessionActor } from '@/lib/api'
import { known } from './ahead'
import { actionsFor, features, navFor, placeOf, routes } from './features'

const actor = (roles: SessionActor['roles'], permissions: SessionActor['permissions']): SessionActor => ({
  user_pk: 1,
  username: 'x',
  display_name: 'X',
  roles,
  permissions,
  practitioner_pk: null,
  must_enrol_totp: false,
  idle_s: 900,
})

const paths = new Set(routes.map((route) => route.path))

describe('what the features give to the frame', () => {
  it('gives each path once', () => {
    expect(paths.size).toBe(routes.length)
  })

  it('leads only to screens that exist, under the same permission or the stricter one of the same noun', () => {
    for (const entry of features.flatMap((feature) => feature.nav)) {
      const route = routes.find((candidate) => candidate.path === entry.to)
      expect(route, entry.to).toBeDefined()
      // Who may write may also read: the server's guard on its roles holds that.
      const enough = [entry.permission, entry.permission.replace(/\.write$/, '.read')]
      if (route?.permission) expect(enough, entry.to).toContain(route.permission)
    }
    for (const action of features.flatMap((feature) => feature.actions ?? [])) {
      expect(paths.has(action.to.split('?')[0] ?? ''), action.to).toBe(true)
    }
  })

  it('begins ahead only what a screen of that address will ask for', () => {
    const addresses = [...paths].map((path) => path.replaceAll(/\$\w+/g, '7'))
    for (const { path } of known) expect(addresses.some((address) => path.test(address)), String(path)).toBe(true)
    // Whoever shows images asks for them ahead.
    for (const address of ['/read/7', '/room/7/images', '/results/7/images', '/together/session/7']) {
      expect(known.filter(({ path }) => path.test(address)).length, address).toBe(1)
    }
  })

  it('leads a notice of a study to where each role looks at studies', () => {
    const where = (...permissions: SessionActor['permissions']) => placeOf('/studies/7', actor([], permissions))
    expect(where('self', 'reading_list.read', 'study.reconcile')).toBe('/read/7')
    expect(where('self', 'step.perform', 'study.reconcile')).toBe('/room/7/images')
    expect(where('self', 'result.read')).toBe('/results/7/images')
    expect(where('self', 'study.reconcile')).toBe('/studies/7')
    expect(where('self', 'schedule.read')).toBeNull()
    expect(placeOf('/system/sending', actor([], ['self']))).toBe('/system/sending')
  })

  it('shows nobody a place they may not enter', () => {
    expect(navFor(actor(['admin'], ['self']))).toEqual([])
    expect(actionsFor(actor(['admin'], ['self']))).toEqual([])
    const places = navFor(actor(['admin'], ['self', 'config.read', 'user.admin', 'audit.read']))
    expect(places[0]?.to).toBe('/system')
  })
})
