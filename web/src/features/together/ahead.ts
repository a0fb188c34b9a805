import type { Ahead } from '@/lib/ahead'
import { comeViewer } from '@/viewer/opening'

/** Which study a session is about is said to who has joined. */
export const ahead: Ahead[] = [
  {
    path: /^\/together\/session\/\d{1,15}$/,
    begin: () => {
      comeViewer()
      return import('./SessionScreen')
    },
  },
]
