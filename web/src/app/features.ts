import type { Feature, FeatureAction, FeatureNav, FeatureRoute, SearchProvider } from '@/lib/feature'
import type { SessionActor } from '@/lib/api/session'

const modules = import.meta.glob<{ feature: Feature }>('@/features/*/index.tsx', { eager: true })
export const features = Object.values(modules).map((module) => module.feature)

export const routes: FeatureRoute[] = features.flatMap((feature) => feature.routes)
const nav: FeatureNav[] = features
  .flatMap((feature) => feature.nav)
  .sort((one, other) => (one.order ?? 50) - (other.order ?? 50) || one.label.localeCompare(other.label))
const search: SearchProvider[] = features.flatMap((feature) => feature.search ?? [])
const actions: FeatureAction[] = features.flatMap((feature) => feature.actions ?? [])

/** The places on this actor's rail; the first is home. */
export function navFor(actor: SessionActor): FeatureNav[] {
  return nav.filter(
    (entry) =>
      actor.permissions.includes(entry.permission) &&
      (entry.roles === undefined || entry.roles.some((role) => actor.roles.some((mine) => mine === role))),
  )
}

export function searchFor(actor: SessionActor): SearchProvider[] {
  return search.filter((provider) => actor.permissions.includes(provider.permission))
}

/** Where each looks at a study: to read it, to have taken it, as who sent the patient, to mend it. */
const STUDY_PLACES = ['/read/$studyPk', '/room/$studyPk/images', '/results/$studyPk/images', '/studies/$studyPk']

/** Where a link of a notice leads this actor; null where what it is about is none of their places. */
export function placeOf(link: string, actor: SessionActor): string | null {
  const studyPk = /^\/studies\/(\d+)$/.exec(link)?.[1]
  if (!studyPk) return link
  const open = (path: string) => {
    const needed = routes.find((route) => route.path === path)?.permission
    return needed !== undefined && actor.permissions.includes(needed)
  }
  return STUDY_PLACES.find(open)?.replace('$studyPk', studyPk) ?? null
}

export function actionsFor(actor: SessionActor): FeatureAction[] {
  return actions.filter((action) => actor.permissions.includes(action.permission))
}
