import { beginAhead } from './app/ahead'

// This script waits neither for styles nor for the page's end: what is asked for is asked for at once.
beginAhead(window.location.pathname)
const start = () => void import('./app/start')
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start)
else start()
