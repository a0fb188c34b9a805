import { useEffect } from 'react'

/** Wheel steps of a touchpad's pinch are small and many, those of a wheel few and large. */
const WHEEL = 0.0025
const AT_ONCE_MOST = 1.25

/** Zooms by two fingers on the screen or the touchpad, and by the wheel with Ctrl; one finger scrolls as anywhere. */
export function usePinch(element: HTMLElement | null, zoom: (factor: number) => void): void {
  useEffect(() => {
    if (!element) return
    const fingers = new Map<number, readonly [number, number]>()
    const apart = () => {
      const [one, other] = [...fingers.values()]
      return one && other ? Math.hypot(one[0] - other[0], one[1] - other[1]) : 0
    }
    let last = 0
    const down = (event: PointerEvent) => {
      if (event.pointerType !== 'touch') return
      fingers.set(event.pointerId, [event.clientX, event.clientY])
      last = fingers.size === 2 ? apart() : 0
    }
    const moved = (event: PointerEvent) => {
      if (!fingers.has(event.pointerId)) return
      fingers.set(event.pointerId, [event.clientX, event.clientY])
      const now = fingers.size === 2 ? apart() : 0
      if (last > 0 && now > 0 && Math.abs(now / last - 1) > 0.01) {
        zoom(now / last)
        last = now
      }
    }
    const up = (event: PointerEvent) => {
      fingers.delete(event.pointerId)
      last = 0
    }
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey) return
      event.preventDefault()
      zoom(Math.max(1 / AT_ONCE_MOST, Math.min(AT_ONCE_MOST, Math.exp(-event.deltaY * WHEEL))))
    }
    const pointers = [
      ['pointerdown', down],
      ['pointermove', moved],
      ['pointerup', up],
      ['pointercancel', up],
    ] as const
    for (const [name, heard] of pointers) element.addEventListener(name, heard)
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      for (const [name, heard] of pointers) element.removeEventListener(name, heard)
      element.removeEventListener('wheel', wheel)
    }
  }, [element, zoom])
}
