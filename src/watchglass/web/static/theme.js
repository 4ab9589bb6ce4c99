// The theme chosen with `t`, set before the page is painted; without one the system's holds.
{
  let kept = null;
  try { kept = localStorage.getItem("watchglass-theme"); } catch { /* storage is off: the system's theme holds */ }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}
