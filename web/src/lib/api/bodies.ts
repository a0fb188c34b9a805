import type { paths } from './schema'

type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never

/**
 * What the server answers to a call that succeeds, by its own description: `Answer<'/api/sites', 'get'>[number]`.
 * Named by path, as the names of bodies change when two rooms choose the same one. `make openapi` renews it.
 */
export type Answer<Path extends keyof paths, Method extends keyof paths[Path]> = paths[Path][Method] extends {
  responses: infer Responses
}
  ? Json<Responses extends { 200: infer Ok } ? Ok : Responses extends { 201: infer Made } ? Made : never>
  : never

/** What a call sends: `Sent<'/api/sites', 'post'>`. */
export type Sent<Path extends keyof paths, Method extends keyof paths[Path]> = paths[Path][Method] extends {
  requestBody: infer Body
}
  ? Json<Body>
  : never
