// Keeps the page up to date: on each change the page is fetched again and the regions that differ
// are replaced. The server renders everything, so nothing of a post ever passes through here as code.

const LEAST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30000; // a lost broker changes nothing in the ledger, yet the page shows it

const offline = document.getElementById("offline");
let refreshing = false;
let wanted = false;
let lastRefresh = 0;

function keptState(region) {
  const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...region.querySelectorAll("details[open][id]")].map((details) => details.id);
  return () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };
}

function replaceRegions(next) {
  document.title = next.title;
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(region.id);
    if (fresh === null || fresh.innerHTML === region.innerHTML) continue;
    const restore = keptState(region);
    region.replaceChildren(...document.importNode(fresh, true).childNodes);
    restore();
  }
}

async function refresh() {
  wanted = true;
  if (refreshing || document.hidden) return;
  refreshing = true;
  while (wanted && !document.hidden) {
    wanted = false;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      if (response.ok || response.status === 404) {
        replaceRegions(new DOMParser().parseFromString(await response.text(), "text/html"));
        offline.hidden = true;
        document.dispatchEvent(new Event("czujka:refreshed"));
      }
    } catch {
      offline.hidden = false;
    }
    lastRefresh = Date.now();
    await new Promise((resolve) => setTimeout(resolve, LEAST_PAUSE_MS));
  }
  refreshing = false;
}

const source = new EventSource("/events");
source.addEventListener("change", refresh);
source.addEventListener("open", () => { offline.hidden = true; });
source.addEventListener("error", () => { offline.hidden = false; });
document.addEventListener("visibilitychange", refresh);
setInterval(() => { if (Date.now() - lastRefresh > LONGEST_PAUSE_MS) refresh(); }, LEAST_PAUSE_MS * 5);
