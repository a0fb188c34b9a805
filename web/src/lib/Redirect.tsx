import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'

/**
 * Goes elsewhere, once for each destination. (The router's own `Navigate` goes again with each drawing, without end
 * while one is pending.) `from`: where the person wanted to go, as it was when they were sent away.
 */
export function Redirect({ to, from }: { to: string; from?: string }) {
  const navigate = useNavigate()
  const wanted = useRef(from)
  useEffect(() => {
    void navigate({ to, search: wanted.current ? { to: wanted.current } : {}, replace: true })
  }, [navigate, to])
  return null
}
