// The page that the daemon serves: it asks for its data again and again.

// Begin to ask; show(data) draws the page anew, or for the first time. document.getElementById("live") is empty and
// stands above all else, for what only the live page tells.
function beginLive(show) {}
