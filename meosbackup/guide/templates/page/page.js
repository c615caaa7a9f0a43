// Puts the page together.

// Show data, for the first time or anew.
function show(data) {
  zone = data.zone;
  drawPicture(document.getElementById("picture"), readDay(data), { onChoose() {} });
}

function begin() {
  const data = JSON.parse(document.getElementById("data").textContent);
  setLanguage(readersLanguage());
  document.getElementById("page").append(
    make("section", undefined, { id: "live" }),
    make("section", undefined, { id: "picture" }),
  );
  if (data === null) beginLive(show);
  else show(data);
}

begin();
