(() => {
  const d = document, n = navigator, s = d.currentScript;
  const id = new URLSearchParams(location.search).get(s.dataset.name || "lpid");
  if (!id || !n.sendBeacon || n.globalPrivacyControl || n.doNotTrack == "1") return;
  const to = new URL("b", s.src);
  let at = 0, ms = 0, pages = 1;
  const turn = () => {
    if (at) ms += performance.now() - at;
    at = d.visibilityState == "visible" ? performance.now() : 0;
  };
  const tell = () => {
    turn();
    n.sendBeacon(to, new URLSearchParams({ click_id: id, seconds_on_page: ms / 1e3, pages }));
  };
  turn();
  setTimeout(tell, 5e3);
  addEventListener("pagehide", tell);
  d.addEventListener("visibilitychange", () => (d.hidden ? tell() : turn()));
  d.addEventListener("click", (e) => {
    const a = e.isTrusted && e.target.closest("a[href]");
    if (a && a.host == location.host && a.pathname != location.pathname) pages++;
  });
})();
