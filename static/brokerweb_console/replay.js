// A routing key is for topics: its field is shown where one is asked for.

const to = document.getElementById("id_to");
const field = document.getElementById("id_routing_key").closest(".field");

function fit() {
  const given = field.querySelector("input").value || field.querySelector(".errors");
  field.hidden = !given && !to.value.trimStart().startsWith("topic:");
}

to.addEventListener("input", fit);
fit();
