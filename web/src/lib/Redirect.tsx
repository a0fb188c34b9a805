import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'

/** Goes elsewhere, once. (The router's own `Navigate` goes again with each drawing, without end while one is pending.) */
export function Redirect({ to, from }: { to: string; from?: string }) {
  const navigate = useNavigate()
  useEffect(() => {
    void navigate({ to, search: from ? { to: from } : {}, replace: true })
  }, [navigate, to, from])
  return null
}
