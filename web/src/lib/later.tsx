import { useLayoutEffect, useState, type ComponentType, type ReactNode } from 'react'

/** Stands where the part will be until that is here. */
interface Meanwhile {
  meanwhile?: ReactNode
}

export type Part<P extends object = object> = ComponentType<P & Meanwhile>

/**
 * A part of the program that comes when it is first shown, and is drawn as soon as it is here. React's own `lazy` makes a
 * reader wait: it holds back whatever comes less than 300 ms after something else was shown in the place of what is to
 * come, once for each part within a part.
 */
export function later<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): Part<P> {
  let here: ComponentType<P> | null = null
  return function Later({ meanwhile = null, ...props }: P & Meanwhile) {
    // In an object: React takes a function for one that makes the state.
    const [found, setFound] = useState<{ view: ComponentType<P> | null; fault?: { error: unknown } }>({ view: here })
    useLayoutEffect(() => {
      if (found.view || found.fault) return undefined
      let gone = false
      load().then(
        (module) => {
          here = module.default
          if (!gone) setFound({ view: here })
        },
        (error: unknown) => {
          if (!gone) setFound({ view: null, fault: { error } })
        },
      )
      return () => {
        gone = true
      }
    }, [found])
    // For whoever catches it; what is shown anew after that asks once more.
    if (found.fault) throw found.fault.error
    const View = found.view
    return View ? <View {...(props as unknown as P)} /> : meanwhile
  }
}
